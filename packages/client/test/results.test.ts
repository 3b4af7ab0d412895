import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoraClient } from '@bora/client';
import { splitLines } from '@bora/client/split-lines';
import { collect } from './collect.ts';
import { sampleJob } from './sample-job.ts';

const ended = sampleJob({ status: 'SUCCESS', output_file: 'out', error_file: 'err' });

/** A client whose files hold the given text, sent in chunks of `chunk` bytes. */
function clientOver(
  files: Record<string, string>,
  chunk = 7,
): { client: BoraClient; cancelled: () => number } {
  let cancelled = 0;
  const serve: typeof fetch = (input) => {
    const id = /files\/(\w+)\/content/.exec(input as string)?.[1] ?? '';
    const bytes = new TextEncoder().encode(files[id]);
    let at = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.subarray(at, (at += chunk)));
      },
      cancel() {
        cancelled += 1;
      },
    });
    return Promise.resolve(new Response(stream));
  };
  return { client: new BoraClient({ fetch: serve }), cancelled: () => cancelled };
}

function succeeded(ordinal: number, text = 'é'): string {
  const line = {
    id: `batch-11111111-22222222-${ordinal}`,
    custom_id: `c${ordinal}`,
    response: { status_code: 200, body: { text } },
    error: null,
  };
  return `${JSON.stringify(line)}\n`;
}

function failed(ordinal: number, rest: object): string {
  return `${JSON.stringify({ id: `batch-11111111-22222222-${ordinal}`, custom_id: null, ...rest })}\n`;
}

test('outcomes of both files come in input order', async () => {
  const { client } = clientOver({
    out: succeeded(0) + succeeded(3) + succeeded(10),
    err: failed(1, { error: 'no' }) + failed(2, { error: 'no' }) + failed(11, { error: 'no' }),
  });
  const outcomes = await collect(client.jobs.results(ended));
  assert.deepEqual(
    outcomes.map((outcome) => [outcome.ordinal, outcome.kind]),
    [
      [0, 'succeeded'],
      [1, 'failed'],
      [2, 'failed'],
      [3, 'succeeded'],
      [10, 'succeeded'],
      [11, 'failed'],
    ],
  );
  assert.equal(outcomes[0].customId, 'c0');
  assert.deepEqual(outcomes[0].body, { text: 'é' });
});

test('every known shape of a failed line is decoded', async () => {
  const upstream = { object: 'error', message: 'bad picture', type: 'x', param: null, code: '3310' };
  const { client } = clientOver({
    out: '',
    err:
      failed(0, { response: { status_code: 400, body: JSON.stringify(upstream) }, error: null }) +
      failed(1, { response: { status_code: 400, body: upstream }, error: null }) +
      failed(2, { error: '1 validation error' }) +
      failed(3, { response: null, error: { code: 'poison', message: 'ended three runs' } }) +
      failed(4, { response: { status_code: 502, body: '<html>' }, error: null }) +
      failed(5, { response: { status_code: 422, body: '{"error":{"message":"too long"}}' }, error: null }),
  });
  const outcomes = await collect(client.jobs.results(ended));
  assert.deepEqual(
    outcomes.map((outcome) => [outcome.statusCode, outcome.error]),
    [
      [400, { message: 'bad picture', code: '3310' }],
      [400, { message: 'bad picture', code: '3310' }],
      [null, { message: '1 validation error', code: null }],
      [null, { message: 'ended three runs', code: 'poison' }],
      [502, { message: '<html>', code: null }],
      [422, { message: 'too long', code: null }],
    ],
  );
  assert.deepEqual(outcomes[0].body, upstream);
});

function foreign(id: string): string {
  return `{"custom_id":"${id}","id":"${id}","error":"x"}\n`;
}

test('lines whose ids carry no ordinal come file by file', async () => {
  const { client } = clientOver({ out: foreign('b') + foreign('a'), err: foreign('c') });
  const outcomes = await collect(client.jobs.results(ended));
  assert.deepEqual(
    outcomes.map((outcome) => [outcome.id, outcome.ordinal]),
    [
      ['b', null],
      ['a', null],
      ['c', null],
    ],
  );
});

test('raw lines are byte for byte what the files hold', async () => {
  const odd = '{"id": "batch-11111111-22222222-1",  "n": 1.00000000000000000001, "n": 2}';
  const { client } = clientOver({ out: succeeded(0) + odd, err: '' }, 3);
  const lines = await collect(client.jobs.resultLines(ended));
  assert.equal(new TextDecoder().decode(lines[1].bytes), odd);
  assert.equal(lines[1].ordinal, 1);
});

test('stopping early cancels both downloads', async () => {
  const { client, cancelled } = clientOver({
    out: succeeded(0) + succeeded(2) + succeeded(4),
    err: failed(1, { error: 'x' }) + failed(3, { error: 'x' }) + failed(5, { error: 'x' }),
  });
  for await (const outcome of client.jobs.results(ended)) if (outcome.ordinal === 1) break;
  assert.equal(cancelled(), 2);
});

test('a job that has not ended has no results yet', async () => {
  const { client } = clientOver({});
  await assert.rejects(collect(client.jobs.results(sampleJob())), /is RUNNING/);
});

test('lines are cut the same way whatever the chunks', async () => {
  const text = 'a\n\nb€\r\n{"long":"' + 'x'.repeat(40) + '"}\nlast';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size += 1) {
    let at = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.subarray(at, (at += size)));
      },
    });
    const lines = await collect(splitLines(stream));
    assert.deepEqual(
      lines.map((line) => new TextDecoder().decode(line)),
      text.split('\n'),
      `chunks of ${size}`,
    );
  }
});
