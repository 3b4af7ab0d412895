import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import { Mistral as Mistral13 } from 'mistralai-1.3';
import { Mistral as Mistral115 } from 'mistralai-1.15';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { ApiServer } from './api-server.ts';
import { chatLine, postJson, startApiServer, uploadLines } from './api-server.ts';

/**
 * What the SDKs take and what they throw at, tried with the SDKs themselves: each of Bora's own answers goes through them as it
 * is, which they take, and then with one thing changed. A row that says "refused" is a thing that Bora must never answer.
 */
interface Answer {
  status: number;
  type: string;
  body: Record<string, unknown> | string | null;
}

type Call = 'job' | 'jobs' | 'file' | 'files' | 'deleted file' | 'deleted job' | 'content';
type Sdk = Mistral | Mistral115 | Mistral13;

const SDKS = {
  '2.7.0': (serverURL: string): Sdk => new Mistral({ apiKey: 'any', serverURL }),
  '1.15.1': (serverURL: string): Sdk => new Mistral115({ apiKey: 'any', serverURL }),
  '1.3.6': (serverURL: string): Sdk => new Mistral13({ apiKey: 'any', serverURL }),
} as const;
type Version = keyof typeof SDKS;
const VERSIONS = Object.keys(SDKS) as readonly Version[];

let server: ApiServer;
let stub: Server;
let answer: Answer;
let stubUrl: string;
/** Bora's own answers. */
let own: Record<Call, Answer>;

before(async () => {
  server = await startApiServer();
  const [file, other] = [
    await uploadLines(server, [chatLine('a')]),
    await uploadLines(server, [chatLine('b')]),
  ];
  const requests = { endpoint: '/v1/chat/completions', model: 'm', requests: [chatLine('a')] };
  const [job, gone] = await Promise.all(
    [0, 1].map(async () => (await postJson<BatchJob>(server, '/v1/batch/jobs', requests)).body.id),
  );
  const ask = async (path: string, method = 'GET'): Promise<Answer> => {
    const response = await fetch(`${server.url}/v1/${path}`, { method });
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    return { status: response.status, type, body: type.includes('json') ? JSON.parse(text) : text };
  };
  own = {
    job: await ask(`batch/jobs/${job}`),
    jobs: await ask('batch/jobs'),
    file: await ask(`files/${file}`),
    files: await ask('files'),
    content: await ask(`files/${file}/content`),
    'deleted file': await ask(`files/${other}`, 'DELETE'),
    'deleted job': await ask(`batch/jobs/${gone}`, 'DELETE'),
  };
  stub = createServer((request, reply) => {
    request.resume();
    const { status, type, body } = answer;
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    reply.writeHead(status, { 'content-type': type }).end(body === null ? undefined : text);
  });
  stub.listen(0, '127.0.0.1');
  await once(stub, 'listening');
  stubUrl = `http://127.0.0.1:${(stub.address() as AddressInfo).port}`;
});
after(async () => {
  stub?.closeAllConnections();
  stub?.close();
  await server?.[Symbol.asyncDispose]();
});

const ID = '01234567-89ab-cdef-0123-456789abcdef';

async function take(version: Version, call: Call): Promise<void> {
  const sdk = SDKS[version](stubUrl);
  switch (call) {
    case 'job':
      return void (await sdk.batch.jobs.get({ jobId: ID }));
    case 'jobs':
      return void (await sdk.batch.jobs.list({}));
    case 'file':
      return void (await sdk.files.retrieve({ fileId: ID }));
    case 'files':
      return void (await sdk.files.list({}));
    case 'content':
      return void (await new Response(await sdk.files.download({ fileId: ID })).text());
    case 'deleted file':
      return void (await sdk.files.delete({ fileId: ID }));
    case 'deleted job':
      if ('delete' in sdk.batch.jobs) await sdk.batch.jobs.delete({ jobId: ID });
  }
}

/** Bora's answer with members changed; undefined leaves one out. */
function set(members: Record<string, unknown>): (from: Answer) => Answer {
  return (from) => ({ ...from, body: { ...(from.body as object), ...members } });
}

function firstOf(members: Record<string, unknown>): (from: Answer) => Answer {
  return (from) => {
    const list = from.body as { data: object[] };
    return { ...from, body: { ...list, data: [{ ...list.data[0], ...members }] } };
  };
}

const ALL = VERSIONS;
const NONE: readonly Version[] = [];
const NEWER: readonly Version[] = ['2.7.0', '1.15.1'];

const JSON_CALLS = ['job', 'jobs', 'file', 'files', 'deleted file'] as const;

const ROWS: readonly (readonly [
  what: string,
  call: Call,
  change: (from: Answer) => Answer,
  takers: readonly Version[],
])[] = [
  ...JSON_CALLS.flatMap((call) => [
    [`201 for a ${call}`, call, (from: Answer) => ({ ...from, status: 201 }), NONE] as const,
    [`204 for a ${call}`, call, (from: Answer) => ({ ...from, status: 204, body: null }), NONE] as const,
    [`text/plain for a ${call}`, call, (from: Answer) => ({ ...from, type: 'text/plain' }), NONE] as const,
    [
      `application/json without a charset for a ${call}`,
      call,
      (from: Answer) => ({ ...from, type: 'application/json' }),
      ALL,
    ] as const,
  ]),
  ...['application/jsonl', 'text/plain', 'application/json'].map(
    (type) =>
      [
        `content that comes with the type ${type}`,
        'content',
        (from: Answer) => ({ ...from, type }),
        NONE,
      ] as const,
  ),
  ['errors that are null', 'job', set({ errors: null }), NONE],
  ['input_files that are null', 'job', set({ input_files: null }), NONE],
  ['an error whose count is null', 'job', set({ errors: [{ message: 'm', count: null }] }), NONE],
  ['an error without a count', 'job', set({ errors: [{ message: 'm' }] }), ALL],
  ['created_at with a fraction', 'job', set({ created_at: 1.5 }), NONE],
  ['an object that is no batch', 'job', set({ object: 'job' }), NONE],
  ['no object', 'job', set({ object: undefined }), ALL],
  ['a status beyond the seven', 'job', set({ status: 'PAUSED' }), ['2.7.0']],
  ['a job whose model is null', 'job', set({ model: null }), NEWER],
  ['a listed job whose model is null', 'jobs', firstOf({ model: null }), NEWER],
  ['members nobody knows', 'job', set({ surprise: 1 }), ALL],
  ['jobs without a total', 'jobs', set({ total: undefined }), NONE],
  ['jobs whose total is null', 'jobs', set({ total: null }), NONE],
  ['jobs without data', 'jobs', set({ data: undefined }), ALL],
  ['files without a total', 'files', set({ total: undefined }), NEWER],
  ['files whose total is null', 'files', set({ total: null }), NEWER],
  ['files without an object', 'files', set({ object: undefined }), NONE],
  ['a file whose bytes are null', 'file', set({ bytes: null }), NONE],
  ['a file whose sample_type is null', 'file', set({ sample_type: null }), NONE],
  ['a file whose purpose is null', 'file', set({ purpose: null }), NONE],
  ['a file of a purpose nobody knows', 'file', set({ purpose: 'audio', sample_type: 'ocr_input' }), ALL],
  ['a file without deleted', 'file', set({ deleted: undefined }), NONE],
  ['a deleted file without deleted', 'deleted file', set({ deleted: undefined }), NONE],
  ['a deleted job without deleted', 'deleted job', set({ deleted: undefined }), ALL],
  [
    '204 for a deleted job',
    'deleted job',
    (from) => ({ ...from, status: 204, body: null }),
    ['1.15.1', '1.3.6'],
  ],
];

for (const version of VERSIONS) {
  describe(`the TypeScript SDK ${version}`, () => {
    test('takes every answer of Bora as it is', async () => {
      for (const call of Object.keys(own) as Call[]) {
        answer = own[call];
        assert.equal(answer.status, 200, call);
        await take(version, call);
      }
    });

    for (const [what, call, change, takers] of ROWS) {
      const takes = takers.includes(version);
      test(`${takes ? 'takes' : 'throws at'} ${what}`, async () => {
        answer = change(own[call]);
        if (takes) await take(version, call);
        else
          await assert.rejects(
            take(version, call),
            /Response validation failed|Unexpected (API response )?status/i,
          );
      });
    }
  });
}
