import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamedBody } from '../src/upstreams/upstreams.ts';
import { acquire, BreakableUpstream, hold, json, registryOf, requestOf } from './breakable-upstream.ts';

const TIMEOUT = { timeout: 10_000 };
const OK = json(200, { ok: true });

/** A body that counts how often it was begun, and how often it was let go of. */
class CountedBody implements StreamedBody {
  readonly contentType = 'multipart/form-data; boundary=b';
  readonly length: number | null;
  begun = 0;
  released = 0;
  readonly #chunks: () => AsyncIterable<Uint8Array>;
  readonly #onRelease: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(length: number | null, chunks: () => AsyncIterable<Uint8Array>) {
    this.length = length;
    this.#chunks = chunks;
  }

  get letGo(): Promise<void> {
    return this.#onRelease.promise;
  }

  async *open(): AsyncGenerator<Uint8Array> {
    this.begun += 1;
    try {
      yield* this.#chunks();
    } finally {
      this.released += 1;
      this.#onRelease.resolve();
    }
  }
}

async function* parts(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield Buffer.alloc(64 * 1024);
}

test(
  'a streamed body arrives whole, with its own type, and its length if that is known',
  TIMEOUT,
  async () => {
    await using upstream = await BreakableUpstream.open();
    await using upstreams = registryOf([{ name: 'u', url: upstream.url, apiKey: 'k' }]);
    await upstreams.start();
    for (const length of [6, null]) {
      const streamed = new CountedBody(length, () => parts('ab', '', 'cdef'));
      const verdict = await acquire(upstreams).send(requestOf('{}', { streamed }));
      assert.equal(verdict.kind, 'succeeded');
      const { body, headers } = upstream.requests.at(-1)!;
      assert.equal(body.toString(), 'abcdef');
      assert.equal(headers['content-type'], streamed.contentType);
      assert.equal(headers.authorization, 'Bearer k');
      assert.equal(headers['content-length'], length === null ? undefined : '6');
      assert.deepEqual([streamed.begun, streamed.released], [1, 1]);
    }
  },
);

test('it is read anew where a connection that broke before the answer is replaced', TIMEOUT, async () => {
  await using upstream = await BreakableUpstream.open();
  await using upstreams = registryOf([upstream.url]);
  await upstreams.start();
  await acquire(upstreams).send(requestOf());
  const streamed = new CountedBody(null, () => parts('once', 'more'));
  upstream.reply = (request) => {
    if (streamed.begun === 1) request.reset();
    else OK(request);
  };
  await acquire(upstreams).send(requestOf('{}', { streamed }));
  assert.deepEqual(
    upstream.requests.slice(1).map(({ body }) => body.toString()),
    ['oncemore', 'oncemore'],
  );
  assert.deepEqual([streamed.begun, streamed.released], [2, 2]);
});

test('one that cannot be read to its end is nobody’s fault but its own', TIMEOUT, async () => {
  await using upstream = await BreakableUpstream.open();
  await using upstreams = registryOf([upstream.url]);
  await upstreams.start();
  const streamed = new CountedBody(100, async function* () {
    yield Buffer.from('begun');
    throw new Error('the disk is gone');
  });
  const slot = acquire(upstreams);
  await assert.rejects(slot.send(requestOf('{}', { streamed })), { message: 'the disk is gone' });
  const [status] = upstreams.status();
  assert.deepEqual([status.state, status.inFlight, status.attempts.aborted], ['up', 0, 1]);
  assert.equal((await acquire(upstreams).send(requestOf())).kind, 'succeeded');
});

test(
  'it is let go of when the upstream answers or breaks before its end, and when the attempt is aborted',
  TIMEOUT,
  async () => {
    await using upstream = await BreakableUpstream.open();
    await using upstreams = registryOf([upstream.url]);
    await upstreams.start();
    for (const onBegun of ['answer', 'reset'] as const) {
      upstream.early =
        onBegun === 'answer' ? json(413, { message: 'too large' }) : (request) => request.reset();
      const streamed = new CountedBody(null, endless);
      const verdict = await acquire(upstreams).send(requestOf('{}', { streamed }));
      assert.equal(verdict.kind, onBegun === 'answer' ? 'failed' : 'retry');
      await streamed.letGo;
    }
    upstream.early = hold;
    const abort = new AbortController();
    const streamed = new CountedBody(null, endless);
    const sent = acquire(upstreams).send(requestOf('{}', { streamed }), abort.signal);
    abort.abort(new Error('stopped'));
    await assert.rejects(sent, { message: 'stopped' });
    assert.equal(streamed.begun, streamed.released);
  },
);
