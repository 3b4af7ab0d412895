import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { filePart, formOf, FORM_TYPE, GOOD_LINE } from '@bora/testkit/hostile/form';
import { bytesOfCall, connectTo, rawCall } from '@bora/testkit/hostile/raw-call';
import { tracesBecome } from '@bora/testkit/hostile/traces';
import { CallMemory } from '../src/api/call-memory.ts';
import { startApiServer } from './api-server.ts';

const KIB = 1024;
const WAIT_MS = 1_000;
const TIMEOUT = { timeout: 30_000 };

/** Calls that have come to their end, by name, in that order. */
function watch(): { readonly ended: string[]; readonly note: (name: string, call: Promise<void>) => void } {
  const ended: string[] = [];
  const note = (name: string, call: Promise<void>): void => {
    call.then(
      () => ended.push(name),
      (error: Error) => ended.push(`${name}: ${error.name}`),
    );
  };
  return { ended, note };
}

test('what is left is given at once, what is not when others hold less', async () => {
  const memory = new CallMemory(new SimulatedClock(), WAIT_MS, 1_000 * KIB);
  const { ended, note } = watch();
  const [a, b, c] = [memory.hold(), memory.hold(), memory.hold()];
  await a.resize(200 * KIB);
  await b.resize(300 * KIB);
  note('c', c.resize(100 * KIB));
  await setImmediate();
  assert.deepEqual(ended, []);
  await b.resize(200 * KIB);
  await setImmediate();
  assert.deepEqual(ended, ['c']);
});

test('of two that wait for each other the one that has held longest goes on', async () => {
  const memory = new CallMemory(new SimulatedClock(), WAIT_MS, 1_000 * KIB);
  const { ended, note } = watch();
  const [a, b] = [memory.hold(), memory.hold()];
  await a.resize(250 * KIB);
  await b.resize(250 * KIB);
  note('b', b.resize(500 * KIB));
  note('a', a.resize(5_000 * KIB));
  await setImmediate();
  assert.deepEqual(ended, ['a'], 'one line may always be held, however long it is');
  a[Symbol.dispose]();
  await setImmediate();
  assert.deepEqual(ended, ['a', 'b']);
});

test('who waits too long is refused, holds what it held, and leaves its place', async () => {
  const clock = new SimulatedClock();
  const memory = new CallMemory(clock, WAIT_MS, 1_000 * KIB);
  const { ended, note } = watch();
  const [a, b] = [memory.hold(), memory.hold()];
  await a.resize(400 * KIB);
  await b.resize(100 * KIB);
  const refused = b.resize(101 * KIB);
  note('b', refused);
  await clock.advance(WAIT_MS);
  await assert.rejects(refused, { code: 'too_many_waiting', status: 503, headers: { 'retry-after': '5' } });
  const c = memory.hold();
  note('c', c.resize(65 * KIB));
  await setImmediate();
  assert.deepEqual(ended, ['b: ApiError']);
  b[Symbol.dispose]();
  await setImmediate();
  assert.deepEqual(ended, ['b: ApiError', 'c']);
});

test('up to 64 KiB are held whatever others hold', async () => {
  const memory = new CallMemory(new SimulatedClock(), WAIT_MS, 0);
  await memory.hold().resize(10_000 * KIB);
  await Promise.all(Array.from({ length: 100 }, () => memory.hold().resize(64 * KIB)));
});

test('of lines the one that has not ended is held, and none that is too long', async () => {
  const clock = new SimulatedClock();
  const memory = new CallMemory(clock, WAIT_MS, 0);
  async function isHeld(): Promise<boolean> {
    using other = memory.hold();
    const outcome = other.resize(65 * KIB).then(
      () => false,
      () => true,
    );
    await clock.advance(WAIT_MS);
    return outcome;
  }
  const chunk = (kib: number, end = ''): Buffer => Buffer.from('x'.repeat(kib * KIB) + end);
  const seen: boolean[] = [];
  async function* source(): AsyncGenerator<Uint8Array> {
    for (const part of [
      chunk(300),
      chunk(200, '\nx'),
      chunk(100),
      chunk(1_000),
      chunk(100),
      chunk(1, '\n'),
    ]) {
      yield part;
      seen.push(await isHeld());
    }
    yield chunk(500);
  }
  for await (const _ of memory.holdLines(source(), 1_000 * KIB));
  assert.deepEqual(seen, [true, false, true, false, false, false]);
  assert.equal(await isHeld(), false);
});

const LARGE = 300 * KIB;
const LARGE_LINE = `{"custom_id":"a","body":{"model":"m","messages":"${'x'.repeat(LARGE)}"}}`;
const UPLOAD = bytesOfCall('/v1/files', formOf([filePart(`${LARGE_LINE}\n`)]), FORM_TYPE);
const CREATE = bytesOfCall(
  '/v1/batch/jobs',
  `{"endpoint":"/v1/chat/completions","model":"m","requests":[${LARGE_LINE}]}`,
);
const CHAT = bytesOfCall('/v1/chat/completions', `{"model":"m","messages":"${'x'.repeat(LARGE)}"}`);
const ORDINARY = bytesOfCall('/v1/files', formOf([filePart(GOOD_LINE.repeat(10_000))]), FORM_TYPE);

/** Looks until so many calls wait, as long as a test may take. */
async function waitFor(clock: SimulatedClock, calls: number): Promise<void> {
  while (clock.waiting < calls) await setImmediate();
}

test('calls that find no room are refused in their dialect, and leave nothing behind', TIMEOUT, async () => {
  const clock = new SimulatedClock();
  const memory = new CallMemory(clock, WAIT_MS, 0);
  await using server = await startApiServer({ memory });
  using all = memory.hold();
  await all.resize(LARGE);
  const calls = [UPLOAD, CREATE, CHAT].map((bytes) => rawCall(server.url, bytes));
  await waitFor(clock, calls.length);
  assert.equal((await rawCall(server.url, ORDINARY))?.status, 200);
  await clock.advance(WAIT_MS);
  for (const answer of await Promise.all(calls)) {
    assert.match(answer!.head, /^HTTP\/1\.1 503 .*\r\nretry-after: 5/s);
    assert.match(answer!.body, /"code":"too_many_waiting"/);
  }
  await tracesBecome(server.dataFolder, { files: 1, handles: 0 });

  all[Symbol.dispose]();
  assert.equal((await rawCall(server.url, UPLOAD))?.status, 200);
  assert.equal((await rawCall(server.url, CREATE))?.status, 200);
});

test('many long lines that are sent in half wait, while ordinary uploads pass', TIMEOUT, async () => {
  const clock = new SimulatedClock();
  await using server = await startApiServer({ memory: new CallMemory(clock, WAIT_MS, LARGE) });
  const sockets = Array.from({ length: 50 }, () => {
    const socket = connectTo(server.url);
    socket.write(UPLOAD.subarray(0, LARGE));
    return socket;
  });
  await waitFor(clock, sockets.length - 1);
  assert.equal((await rawCall(server.url, ORDINARY))?.status, 200);
  for (const socket of sockets) socket.destroy();
  assert.equal((await rawCall(server.url, UPLOAD))?.status, 200);
  await tracesBecome(server.dataFolder, { files: 2, handles: 0 });
});
