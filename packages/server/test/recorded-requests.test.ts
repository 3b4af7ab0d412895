import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { FileList, MistralFile } from '@bora/protocol/mistral-files';
import type { BatchJob, BatchJobList } from '@bora/protocol/mistral-jobs';
import type { ApiServer } from './api-server.ts';
import { call, chatLine, postJson, startApiServer, upload, uploadLines } from './api-server.ts';

/**
 * Single calls as clients write them, beside the whole flows of recorded-flows.e2e.test.ts: the variants of a call, each with
 * the client that makes it. TypeScript 2.7, 1.15 and 1.3 and Python 2.5 and 1.10 were recorded, C# and Delphi read in their sources.
 */
const JOBS = '/v1/batch/jobs';
const CHAT = '/v1/chat/completions';
const NAMES = ['first', 'second', 'third', 'fourth'] as const;
const NEWEST = ['fourth', 'third', 'second', 'first'];

let server: ApiServer;
let ids: Record<(typeof NAMES)[number], string>;
before(async () => {
  server = await startApiServer();
  const made: [string, string][] = [];
  for (const [number, name] of NAMES.entries()) {
    const { body } = await postJson<BatchJob>(server, JOBS, {
      endpoint: CHAT,
      model: number % 2 === 0 ? 'small' : 'large',
      metadata: { name, 'job type': 'testing', ...(number === 3 ? { page: 'x' } : {}) },
      requests: [chatLine('a')],
    });
    made.push([name, body.id]);
  }
  ids = Object.fromEntries(made) as typeof ids;
  await call(server, `${JOBS}/${ids.second}/cancel`, { method: 'POST' });
});
after(() => server?.[Symbol.asyncDispose]());

async function listJobs(query: string): Promise<string[]> {
  const { status, body } = await call<BatchJobList>(server, `${JOBS}?${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual([body.object, Number.isInteger(body.total)], ['list', true]);
  return body.data.map(({ metadata }) => metadata!.name);
}

describe('jobs are listed as each client asks', () => {
  for (const [client, query, wanted] of [
    ['TypeScript, without arguments', '', NEWEST],
    ['Python 2, without arguments', 'page=0&page_size=100&created_by_me=false&order_by=-created', NEWEST],
    ['Python 1', 'page=0&page_size=100&created_by_me=false', NEWEST],
    ['TypeScript 2', 'created_by_me=false&order_by=created&page=0&page_size=100', NEWEST.toReversed()],
    ['TypeScript 2, a later page', 'page=1&page_size=3', ['first']],
    ['TypeScript 2, a model', 'model=large', ['fourth', 'second']],
    [
      'TypeScript 1.3, nulls as a word',
      'metadata=null&status=null&model=null&agent_id=null&created_after=null',
      NEWEST,
    ],
    ['TypeScript 2, metadata', 'name=third', ['third']],
    ['TypeScript 2, metadata of two keys', 'job%20type=testing&name=first', ['first']],
    ['TypeScript 2, metadata that is nested', 'nested=q%2C%5B1%2C2%5D&arr=p%2Cq', []],
    ['Python, metadata with a space', 'job+type=testing', NEWEST],
    ['Python, metadata that is nested', 'nested=%7B%27a%27%3A+%5B1%2C+None%2C+True%5D%7D', []],
    ['Python, metadata no job has', 'job_type=testing', []],
    ['Delphi, metadata as the JSON it was given', 'metadata=%7B%22name%22%3A%22second%22%7D', ['second']],
    ['Delphi, metadata as text', 'metadata=name%3Asecond', ['second']],
    ['a bracketed filter', 'metadata%5Bname%5D=second', ['second']],
    ['what proxies and tracing add', 'api_key=x&_=1&traceparent=y', NEWEST],
    ['curl, one status', 'status=CANCELLED', ['second']],
    ['curl, status and metadata', 'status=CANCELLED&name=second', ['second']],
    ['TypeScript 2 and Python, several status', 'status=QUEUED&status=CANCELLED', NEWEST],
    [
      'Python, whose metadata key `status` joins the status',
      'status=QUEUED&status=RUNNING',
      ['fourth', 'third', 'first'],
    ],
    ['joined by commas, in lower case', 'status=queued%2CRUNNING', ['fourth', 'third', 'first']],
    ['Python, several status and metadata', 'status=QUEUED&status=CANCELLED&name=second', ['second']],
    ['a status no job has', 'status=RUNNING', []],
    ['Delphi, a boolean', 'created_by_me=True', NEWEST],
    ['Delphi, the other boolean', 'created_by_me=False&page_size=100', NEWEST],
    ['Delphi, a date as its user wrote it', 'created_after=2020-01-01%2010%3A00%3A00', NEWEST],
    ['Delphi, a day', 'created_after=2020-01-01', NEWEST],
    ['TypeScript, a date', 'created_after=2024-05-01T10%3A00%3A00.000Z', NEWEST],
    ['Python, a date without zone', 'created_after=2024-05-01T10%3A00%3A00', NEWEST],
    ['Python, a date with zone', 'created_after=2024-05-01T10%3A00%3A00%2B02%3A00', NEWEST],
    ['a zone whose plus is not encoded', 'created_after=2020-01-01T10:00:00+02:00', NEWEST],
    ['a date to come', 'created_after=2999-01-01T10:00:00.123456', []],
    ['C#', 'limit=20', NEWEST],
    ['C#, less', 'limit=3', ['fourth', 'third', 'second']],
  ] as const) {
    test(`${client}: ?${query}`, async () => assert.deepEqual(await listJobs(query), wanted));
  }

  test('C# walks through all jobs by the id of the last one', async () => {
    assert.deepEqual(await listJobs(`limit=2&after=${ids.third}`), ['second', 'first']);
    assert.deepEqual(await listJobs(`limit=1&after=${ids.fourth}`), ['third']);
    assert.deepEqual(await listJobs(`limit=2&after=${ids.first}`), []);
  });
});

describe('files are listed as each client asks', () => {
  let own: ApiServer;
  before(async () => {
    own = await startApiServer();
    for (const name of ['alpha a.jsonl', 'beta.jsonl']) await uploadLines(own, [chatLine('a')], name);
    await upload(own, [['file', new File(['x'], 'Gamma.pdf')]]);
  });
  after(() => own?.[Symbol.asyncDispose]());

  const ALL = ['Gamma.pdf', 'beta.jsonl', 'alpha a.jsonl'];
  for (const [client, query, wanted, total] of [
    ['TypeScript and C#, without arguments', '', ALL, 3],
    ['TypeScript and Python, with defaults', 'page=0&page_size=100&include_total=true', ALL, 3],
    [
      'TypeScript, all filters',
      'include_total=true&mimetypes=application%2Fjsonl&mimetypes=text%2Fplain&page=0&page_size=100&purpose=batch&sample_type=batch_request&sample_type=batch_result&search=a%20a&source=upload&source=mistral',
      ['alpha a.jsonl'],
      1,
    ],
    [
      'Python, all filters',
      'page=0&page_size=100&include_total=true&sample_type=batch_request&sample_type=batch_result&source=upload&search=a+a&purpose=batch',
      ['alpha a.jsonl'],
      1,
    ],
    ['Python, a page', 'page=1&page_size=2&include_total=true', ['alpha a.jsonl'], 3],
    ['without a total', 'include_total=false', ALL, null],
    ['Delphi, a boolean', 'include_total=False', ALL, null],
    ['Delphi, lists', 'sample_type=ocr_input%2Cbatch_error&source=upload%2Crepository', ['Gamma.pdf'], 1],
    ['Delphi, a kind that Bora has not', 'purpose=image_generation&sample_type=image_generation', [], 0],
    ['part of a name in another case', 'search=GAM', ['Gamma.pdf'], 1],
  ] as const) {
    test(`${client}: ?${query}`, async () => {
      const { status, body } = await call<FileList>(own, `/v1/files?${query}`);
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual([body.data.map(({ filename }) => filename), body.total], [wanted, total]);
    });
  }
});

describe('jobs are created as each client writes it', () => {
  let input: string;
  before(async () => {
    input = await uploadLines(server, [chatLine('a')]);
  });

  const INLINE = `[{"custom_id":"0","body":{"messages":[{"role":"user","content":"Hello"}]}}]`;
  for (const [client, type, body, hours] of [
    [
      'TypeScript',
      'application/json',
      '"input_files":["FILE"],"model":"m","metadata":{"a":"b"},"timeout_hours":24',
      24,
    ],
    [
      'Python, nulls set over a file',
      'application/json',
      '"input_files":["FILE"],"requests":null,"model":"m","agent_id":null,"metadata":null,"timeout_hours":24',
      24,
    ],
    [
      'Python, nulls set over requests',
      'application/json',
      `"input_files":null,"requests":${INLINE},"model":"m","agent_id":null,"metadata":null,"timeout_hours":24`,
      24,
    ],
    ['nothing but null', 'application/json', '"input_files":["FILE"],"model":"m","timeout_hours":null', 24],
    ['C#', 'application/json; charset=utf-8', '"input_files":["FILE"],"model":"m","timeout_hours":168', 168],
    [
      'Delphi, no timeout',
      'application/json',
      '"input_files":["FILE"],"model":"m","metadata":{"job_type":"texting"}',
      24,
    ],
    ['curl without a type', 'application/x-www-form-urlencoded', `"model":"m","requests":${INLINE}`, 24],
    [
      'a client of another dialect',
      'application/json',
      '"input_file_id":"CAPITALS","model":"m","completion_window":"7d"',
      168,
    ],
    [
      'members nobody knows',
      'application/json',
      '"input_files":["FILE"],"model":"m","surprise":{"requests":[1]}',
      24,
    ],
  ] as const) {
    test(client, async () => {
      const { status, body: job } = await call<BatchJob>(server, JOBS, {
        method: 'POST',
        headers: { 'content-type': type },
        body: `{"endpoint":"${CHAT}",${body.replace('FILE', input).replace('CAPITALS', input.toUpperCase())}}`,
      });
      assert.equal(status, 200, JSON.stringify(job));
      assert.deepEqual([job.total_requests, job.input_files.length], [1, 1]);
      assert.equal(job.bora?.deadline_at, job.created_at + hours * 3600);
    });
  }
});

describe('files are uploaded as each client writes it', () => {
  const LINE = '{"body":{"messages":[]}}';
  const PURPOSE = 'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch';

  function form(...parts: string[]): string {
    return `${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`;
  }

  for (const [client, file, purpose, filename] of [
    ['C#', "name=file; filename=in.jsonl; filename*=utf-8''in.jsonl", PURPOSE, 'in.jsonl'],
    [
      'C#, a name with an umlaut',
      'name=file; filename="=?utf-8?B?w7xidW5nLmpzb25s?="; filename*=utf-8\'\'%C3%BCbung.jsonl',
      'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=purpose\r\n\r\nbatch',
      'übung.jsonl',
    ],
    ['Python, a name with an umlaut', 'name="file"; filename="übung.jsonl"', PURPOSE, 'übung.jsonl'],
    [
      'TypeScript, a name with an umlaut',
      'name="file"; filename="übung \\"1\\".jsonl"',
      PURPOSE,
      'übung "1".jsonl',
    ],
    ['browsers, a quote in the name', 'name="file"; filename="a%22b.jsonl"', PURPOSE, 'a%22b.jsonl'],
    [
      'TypeScript, a bare Blob',
      'name="file"; filename="blob"\r\nContent-Type: application/octet-stream',
      PURPOSE,
      'blob',
    ],
    [
      'a part with a type of its own',
      'name="file"; filename="in.jsonl"\r\nContent-Type: application/pdf',
      PURPOSE,
      'in.jsonl',
    ],
  ] as const) {
    for (const order of ['behind', 'before']) {
      test(`${client}, the purpose ${order} the file`, async () => {
        const parts = [`Content-Disposition: form-data; ${file}\r\n\r\n${LINE}`, purpose];
        const { status, body } = await call<MistralFile>(server, '/v1/files', {
          method: 'POST',
          headers: { 'content-type': 'multipart/form-data; boundary="b"' },
          body: form(...(order === 'behind' ? parts : parts.toReversed())),
        });
        assert.equal(status, 200, JSON.stringify(body));
        assert.deepEqual(
          [body.filename, body.purpose, body.num_lines, body.mimetype],
          [filename, 'batch', 1, 'application/jsonl'],
        );
      });
    }
  }

  test('curl asks first whether it may send', async () => {
    const body = form(
      PURPOSE,
      `Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n${LINE}`,
    );
    const calling = request(`${server.url}/v1/files`, {
      method: 'POST',
      headers: { expect: '100-continue', 'content-type': 'multipart/form-data; boundary=b' },
    });
    calling.flushHeaders();
    await once(calling, 'continue');
    calling.end(body);
    const [answer] = (await once(calling, 'response')) as [IncomingMessage];
    assert.equal((JSON.parse(await text(answer)) as MistralFile).num_lines, 1);
  });
});

describe('jobs are cancelled as each client writes it', () => {
  for (const [client, head, body] of [
    ['SDKs, an empty body', 'content-length: 0\r\n', ''],
    ['curl, no body and no length', '', ''],
    ['curl, an empty object', 'content-type: application/json\r\ncontent-length: 2\r\n', '{}'],
    ['a type without a body', 'content-type: application/json\r\ncontent-length: 0\r\n', ''],
    ['a body that is no JSON', 'content-length: 3\r\n', 'x=y'],
  ] as const) {
    test(client, async () => {
      const requests = [chatLine('a')];
      const { body: job } = await postJson<BatchJob>(server, JOBS, { endpoint: CHAT, model: 'm', requests });
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      socket.write(
        `POST ${JOBS}/${job.id}/cancel HTTP/1.1\r\nhost: bora\r\nconnection: close\r\n${head}\r\n${body}`,
      );
      const answer = await text(socket);
      assert.match(answer, /^HTTP\/1\.1 200 /);
      assert.match(answer, /"status":"CANCELLED"/);
    });
  }
});
