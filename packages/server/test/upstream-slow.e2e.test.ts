import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BreakableUpstream, hold, json } from './breakable-upstream.ts';
import type { ReceivedRequest } from './breakable-upstream.ts';
import { answerWell, errorOf, questionOf, startPacedBora } from './paced-bora.ts';
import type { PacedBora, PacedOptions } from './paced-bora.ts';

const TIMEOUT = { timeout: 30_000 };
const MINUTE = 60_000;

interface Slow extends AsyncDisposable {
  readonly upstream: BreakableUpstream;
  readonly bora: PacedBora;
  /** Answers well after so long, if somebody still waits for it. */
  readonly answerAfter: (ms: number, request: ReceivedRequest) => void;
}

async function startSlow(
  described: Partial<PacedOptions['upstreams'][number]> = {},
  env: Record<string, string> = {},
): Promise<Slow> {
  await using starting = new AsyncDisposableStack();
  const upstream = starting.use(await BreakableUpstream.open());
  const bora = starting.use(await startPacedBora({ upstreams: [{ url: upstream.url, ...described }], env }));
  const started = starting.move();
  return {
    upstream,
    bora,
    answerAfter: (ms, request) =>
      void bora.clock.after(ms, () => {
        if (!request.response.destroyed) answerWell(request);
      }),
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}

test('answers that take almost twenty minutes each are waited for, and asked for once', TIMEOUT, async () => {
  await using slow = await startSlow({ max_in_flight: 2 });
  const { upstream, bora, answerAfter } = slow;
  upstream.reply = (request) => answerAfter(19 * MINUTE, request);
  const id = await bora.ask(['a', 'b', 'c']);
  for (const done of [2, 3]) {
    await bora.received(upstream, done);
    await bora.pass(19 * MINUTE);
    await bora.until(id, ({ succeeded_requests: answered }) => answered === done);
  }
  assert.equal((await bora.ended(id)).status, 'SUCCESS');
  assert.equal(upstream.requests.length, 3);
});

test('an answer that comes drop by drop, for minutes, is whole', TIMEOUT, async () => {
  await using slow = await startSlow();
  const { upstream, bora } = slow;
  upstream.reply = ({ response }) => {
    const bytes = Buffer.from(JSON.stringify({ text: 'ä'.repeat(20) }));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
    const sendFrom = (at: number): void => {
      response.write(bytes.subarray(at, at + 5));
      if (at + 5 < bytes.length) bora.clock.after(MINUTE / 2, () => sendFrom(at + 5));
      else response.end();
    };
    sendFrom(0);
  };
  const job = await bora.ended(await bora.ask(['a']));
  assert.deepEqual([job.status, upstream.requests.length], ['SUCCESS', 1]);
  assert.deepEqual((await bora.results(job)).get('a')?.response?.body, { text: 'ä'.repeat(20) });
});

test(
  'an answer that stalls after its head, or half way, is given up at the time limit and asked for again',
  TIMEOUT,
  async () => {
    await using slow = await startSlow({ timeout_seconds: 30 });
    const { upstream, bora } = slow;
    const stalls = ['', '{"choices":', `{"choices":"${'x'.repeat(300_000)}`];
    upstream.reply = (request) => {
      const begun = stalls.shift();
      if (begun === undefined) return answerWell(request);
      request.response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1_000_000 });
      request.response.write(begun);
    };
    const job = await bora.ended(await bora.ask(['a', 'b', 'c', 'd', 'e', 'f']));
    assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['SUCCESS', 6, 0]);
    assert.equal(upstream.requests.length, 9);
  },
);

test('a line whose answer stalls each time fails alone', TIMEOUT, async () => {
  await using slow = await startSlow({ timeout_seconds: 30, max_in_flight: 2 });
  const { upstream, bora } = slow;
  upstream.reply = (request) => {
    if (questionOf(request) !== 'c') return answerWell(request);
    request.response.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":');
  };
  const job = await bora.ended(await bora.ask(['a', 'b', 'c', 'd']));
  assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['SUCCESS', 3, 1]);
  assert.match(errorOf((await bora.results(job)).get('c')), /"code":"request_timeout"/);
});

for (const [what, cut, code] of [
  ['by closing the connection', ({ reset }: ReceivedRequest) => reset(), 'upstream_reset'],
  ['with a 504', json(504, '<html>Gateway Time-out</html>'), 'upstream_error'],
] as const) {
  test(
    `behind a proxy that cuts at 60 s ${what}, long lines end after three attempts and short ones succeed`,
    TIMEOUT,
    async () => {
      await using slow = await startSlow({ max_in_flight: 2 });
      const { upstream, bora, answerAfter } = slow;
      upstream.reply = (request) => {
        if (!questionOf(request).startsWith('long')) return answerAfter(5_000, request);
        bora.clock.after(MINUTE, () => cut(request));
      };
      const questions = Array.from({ length: 30 }, (_, at) => `q${at}`).toSpliced(4, 0, 'long');
      const job = await bora.ended(await bora.ask(questions));
      assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['SUCCESS', 30, 1]);
      assert.match(errorOf((await bora.results(job)).get('long')), new RegExp(`"code":"${code}"`));
      const bought = upstream.requests.filter((request) => questionOf(request) === 'long').length;
      assert.ok(bought >= 3 && bought <= 4, `asked for ${bought} times`);
    },
  );
}

test('a request that hangs for ever holds up nobody but itself', TIMEOUT, async () => {
  await using slow = await startSlow({ max_in_flight: 2 });
  const { upstream, bora } = slow;
  upstream.reply = (request) => (questionOf(request) === 'a' ? hold : answerWell)(request);
  const id = await bora.ask(['a', 'b', 'c', 'd']);
  await bora.until(id, ({ succeeded_requests: answered }) => answered === 3);
  assert.ok(bora.clock.elapsed() < MINUTE);
  const other = await bora.ended(await bora.ask(['e']));
  assert.equal(other.status, 'SUCCESS');
  await bora.pass(60 * MINUTE);
  const job = await bora.ended(id);
  assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['SUCCESS', 3, 1]);
  assert.equal(upstream.requests.length, 7);
});

for (const [limit, status, code] of [
  ['256MiB', 200, null],
  ['64MiB', 502, 'answer_too_large'],
] as const) {
  test(`an answer of 100 MB under a limit of ${limit} ends its line with ${status}`, TIMEOUT, async () => {
    await using slow = await startSlow({}, { BORA_MAX_ANSWER_BYTES: limit });
    const { upstream, bora } = slow;
    const large = Buffer.alloc(100_000_000, 'x');
    large.write('{"text":"');
    large.write('"}', large.length - 2);
    upstream.reply = (request) => (questionOf(request) === 'b' ? json(200, large) : answerWell)(request);
    const job = await bora.ended(await bora.ask(['a', 'b', 'c']));
    assert.equal(job.status, 'SUCCESS');
    assert.equal(job.succeeded_requests, code === null ? 3 : 2);
    if (code !== null) assert.match(errorOf((await bora.results(job)).get('b')), new RegExp(code));
    else {
      let bytes = 0;
      for await (const chunk of await bora.client.files.content(job.output_file!)) bytes += chunk.length;
      assert.ok(bytes > large.length, `${bytes} bytes`);
    }
    assert.equal(upstream.requests.length, 3);
  });
}
