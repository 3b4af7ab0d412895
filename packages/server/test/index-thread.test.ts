import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { IndexThread } from '../src/files/index-thread.ts';
import type { ContentStream } from '../src/files/index-thread.ts';

const LONG_LINE = Buffer.from(`{"body":{"input":"${'x'.repeat(300_000)}"}}\n`);
const MINUTE_MS = 60_000;

async function linesOf(stream: ContentStream): Promise<number> {
  await stream.push(LONG_LINE);
  return (await stream.finish()).lines;
}

test('the thread ends a while after the last large upload, and the next one starts another', async () => {
  const clock = new SimulatedClock();
  await using thread = new IndexThread(clock);
  assert.equal(thread.isRunning, false);
  for (const upload of ['first', 'next']) {
    assert.equal(await linesOf(thread.open('requests')), 1, upload);
    assert.equal(thread.isRunning, true, 'another upload may come soon');
    await clock.advance(MINUTE_MS);
    assert.equal(thread.isRunning, false);
  }
});

test('the thread does not end while an upload is under way, however slow', async () => {
  const clock = new SimulatedClock();
  await using thread = new IndexThread(clock);
  assert.equal(await linesOf(thread.open('requests')), 1);
  const slow = thread.open('requests');
  await slow.push(LONG_LINE);
  const broken = thread.open('requests');
  await broken.push(LONG_LINE);
  broken.drop();
  await clock.advance(MINUTE_MS);
  await slow.push(LONG_LINE);
  assert.equal((await slow.finish()).lines, 2);
});

test('behind very large uploads the thread ends at once', async () => {
  await using thread = new IndexThread(new SimulatedClock());
  const large = thread.open('bytes');
  const chunk = Buffer.alloc(4 * 1024 * 1024);
  for (let sent = 0; sent <= 256 * 1024 * 1024; sent += chunk.length) await large.push(chunk);
  await large.finish();
  assert.equal(thread.isRunning, false);
  assert.equal(await linesOf(thread.open('requests')), 1);
  assert.equal(thread.isRunning, true);
});
