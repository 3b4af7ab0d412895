import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { BoraClient } from '@bora/client';
import { forChat } from '@bora/client/request-builders';
import type { BatchRequest } from '@bora/client/request-builders';
import { InvalidRequest, partsOf } from '@bora/client/request-parts';
import type { PartLimits } from '@bora/client/request-parts';
import { previewRequests } from '@bora/client/request-preview';
import { SubmittedInPart } from '@bora/client/requests';
import { collect } from './collect.ts';
import { sampleJob } from './sample-job.ts';

const CHAT = { endpoint: '/v1/chat/completions', model: 'm' } as const;

const ROOMY: PartLimits = { maxRequests: 9, maxBytes: 9_999 };

async function idsOf(requests: Iterable<BatchRequest>, limits: PartLimits): Promise<string[][]> {
  const parts: string[][] = [];
  for await (const { chunks } of partsOf(requests, CHAT, limits)) {
    const lines = Buffer.concat(await collect(chunks))
      .toString()
      .trimEnd()
      .split('\n');
    parts.push(lines.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id));
  }
  return parts;
}

test('a custom_id that is made is that of no other request', async () => {
  const given = fc.oneof(
    fc.constant(undefined),
    fc.nat(5).map((place) => `request-${place}`),
    fc.constantFrom('a', 'request-x'),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(given, { minLength: 1, maxLength: 6 }), async (ids) => {
      const requests = ids.map((id) => forChat('x', {}, id));
      const isOther = (id: string | undefined, place: number): boolean =>
        id !== undefined && /-\d$/.test(id) && id !== `request-${place}`;
      const refused = { code: 'duplicate_custom_id' } as const;
      const { problems } = await previewRequests(requests, CHAT);
      if (ids.includes(undefined) && ids.some(isOther)) {
        await assert.rejects(idsOf(requests, ROOMY), refused);
        assert.equal(problems[0].code, refused.code);
        return;
      }
      const [sent] = await idsOf(requests, ROOMY);
      assert.equal(problems.length, sent.length - new Set(sent).size);
      for (const [place, id] of sent.entries())
        if (ids[place] === undefined) assert.equal(sent.indexOf(id), sent.lastIndexOf(id));
        else assert.equal(id, ids[place]);
    }),
  );
});

test('limits that leave no room for a request still end: each part takes one', async () => {
  for (const maxRequests of [0, -1, Number.NaN])
    assert.deepEqual(await idsOf([forChat('x'), forChat('y')], { maxRequests, maxBytes: 9_999 }), [
      ['request-0'],
      ['request-1'],
    ]);
});

/** A client over a server that takes every upload as `f0`, `f1`, … and leaves creating jobs to `create`. */
function clientThat(create: (init: RequestInit) => Promise<Response>): {
  client: BoraClient;
  deleted: string[];
} {
  const deleted: string[] = [];
  let uploads = 0;
  const serve = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const path = input as string;
    if (path.endsWith('/jobs')) return create(init);
    if (init.method === 'DELETE') {
      deleted.push(path.split('/')[5]);
      return Response.json({});
    }
    const reading = collect(init.body as ReadableStream<Uint8Array>);
    await Promise.race([reading, new Promise((_, reject) => init.signal?.addEventListener('abort', reject))]);
    return Response.json({ id: `f${uploads++}` });
  };
  return { client: new BoraClient({ fetch: serve, maxRetries: 0 }), deleted };
}

test('an abort ends an upload whose list never gives its next request', { timeout: 10_000 }, async () => {
  const stop = new AbortController();
  async function* stuck(): AsyncGenerator<BatchRequest> {
    yield forChat('x');
    stop.abort(new Error('enough'));
    await new Promise(() => {});
  }
  const { client } = clientThat(() => assert.fail('no job is created'));
  await assert.rejects(client.requests.submit(stuck(), CHAT, { signal: stop.signal }), /^Error: enough$/);
});

test('a list is asked for little more than what was taken of it', async () => {
  let asked = 0;
  function* endless(): Generator<BatchRequest> {
    for (;;) {
      asked += 1;
      yield forChat('x'.repeat(1_000));
    }
  }
  const enough = new Error('enough');
  const client = new BoraClient({
    fetch: async (_, init = {}) => {
      const reader = (init.body as ReadableStream<Uint8Array>).getReader();
      for (let taken = 0; taken < 500_000;) taken += (await reader.read()).value?.length ?? 0;
      // Whatever is ready has been asked for by now.
      for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
      await reader.cancel(enough);
      throw enough;
    },
    maxRetries: 0,
  });
  await assert.rejects(client.requests.submit(endless(), CHAT), { code: 'no_answer' });
  assert.ok(asked > 400 && asked < 800, `${asked} requests of 1 KB for 0.5 MB`);
});

test('where it is not known whether the first job was created, its files stay, and the error names them', async () => {
  const stop = new AbortController();
  const answers: (() => Promise<Response>)[] = [
    () => Promise.reject(new TypeError('socket hang up')),
    () => Promise.resolve(Response.json({ detail: 'oh' }, { status: 502 })),
    () => {
      stop.abort(new Error('enough'));
      return Promise.reject(stop.signal.reason as Error);
    },
  ];
  for (const create of answers) {
    const { client, deleted } = clientThat(create);
    const list = [forChat('x'), forChat('y')];
    const submitting = client.requests.submit(list, CHAT, { maxRequests: 1, signal: stop.signal });
    await assert.rejects(submitting, (error: SubmittedInPart) => {
      assert.ok(error instanceof SubmittedInPart);
      assert.deepEqual([error.jobs, error.fileIds], [[], ['f0', 'f1']]);
      assert.match(error.message, /^0 of 2 jobs .* Look first whether the next one exists/);
      return true;
    });
    assert.deepEqual(deleted, []);
  }
  const refusing = clientThat(() => Promise.resolve(Response.json({ detail: 'no' }, { status: 422 })));
  await assert.rejects(refusing.client.requests.submit([forChat('x')], CHAT), { status: 422 });
  assert.deepEqual(refusing.deleted, ['f0']);
});

test('an InvalidRequest holds the problem', () => {
  const problem = { place: 3, customId: 'c', code: 'no_model', message: 'None.' } as const;
  const { name, code, message, problem: held } = new InvalidRequest(problem);
  assert.deepEqual([name, code, message, held], ['InvalidRequest', 'no_model', 'None.', problem]);
});

/** A client whose files hold the lines given by id; others are gone. */
function clientOver(files: Readonly<Record<string, string>>): { client: BoraClient; deleted: string[] } {
  const deleted: string[] = [];
  const serve = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const id = (input as string).split('/')[5];
    if (init.method !== 'DELETE') return new Response(files[id]);
    deleted.push(id);
    return files[id] === undefined ? Response.json({ detail: 'gone' }, { status: 404 }) : Response.json({});
  };
  return { client: new BoraClient({ fetch: serve, maxRetries: 0 }), deleted };
}

function resultLines(...ordinals: number[]): string {
  const line = { response: { status_code: 200, body: {} } };
  return ordinals
    .map((ordinal) => `${JSON.stringify({ id: `batch-11111111-22222222-${ordinal}`, ...line })}\n`)
    .join('');
}

const ENDED = [
  sampleJob({ status: 'CANCELLED', input_files: ['in0'], output_file: 'out0', total_requests: 3 }),
  sampleJob({ status: 'SUCCESS', input_files: ['in1'], output_file: 'out1', total_requests: 2 }),
];

test('places are counted over all jobs, past requests without an outcome, as long as jobs were counted', async () => {
  const { client } = clientOver({ out0: resultLines(0, 2), out1: resultLines(0, 1) });
  const ordinals = async (jobs: typeof ENDED): Promise<(number | null)[]> =>
    (await collect(client.requests.results(jobs))).map(({ ordinal }) => ordinal);
  assert.deepEqual(await ordinals(ENDED), [0, 2, 3, 4]);
  const uncounted = sampleJob({ status: 'CANCELLED', total_requests: 0 });
  assert.deepEqual(await ordinals([ENDED[0], uncounted, ENDED[1]]), [0, 2, null, null]);
});

test('nothing is read while one of the jobs runs', async () => {
  const client = new BoraClient({ fetch: () => assert.fail('nothing is asked for') });
  const jobs = [...ENDED, sampleJob({ status: 'RUNNING' })];
  await assert.rejects(collect(client.requests.results(jobs)), { code: 'job_not_ended' });
});

test('files are deleted once everything was read without an error, and not before', async () => {
  const files = { in0: 'x', out0: resultLines(0, 2), out1: resultLines(0, 1) };
  const whole = clientOver(files);
  await collect(whole.client.requests.results(ENDED, { deleteFiles: true }));
  assert.deepEqual(whole.deleted, ['in0', 'out0', 'in1', 'out1'], 'one that is gone is no error');

  const stopped = clientOver(files);
  for await (const { ordinal } of stopped.client.requests.results(ENDED, { deleteFiles: true }))
    if (ordinal === 4) break;
  assert.deepEqual(stopped.deleted, []);

  const broken = clientOver({ ...files, out1: `${resultLines(0)}{"id":` });
  await assert.rejects(collect(broken.client.requests.results(ENDED, { deleteFiles: true })), {
    code: 'bad_result_line',
  });
  assert.deepEqual(broken.deleted, []);

  const kept = clientOver(files);
  await collect(kept.client.requests.results(ENDED));
  assert.deepEqual(kept.deleted, []);
});
