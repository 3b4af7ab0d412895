import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BreakableUpstream } from './breakable-upstream.ts';
import { answerWell, startPacedBora, waitingOf } from './paced-bora.ts';

test('a job keeps to the budget of its upstream, says so, and ends', { timeout: 20_000 }, async () => {
  await using upstream = await BreakableUpstream.open();
  const cameAt: number[] = [];
  await using bora = await startPacedBora({
    upstreams: [{ name: 'hosted', url: upstream.url, requests_per_minute: 3 }],
  });
  upstream.reply = (request) => {
    cameAt.push(bora.clock.now());
    answerWell(request);
  };
  const id = await bora.ask(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  const waiting = await bora.until(id, (job) => job.succeeded_requests > 0 && waitingOf(job) !== '');
  assert.equal(waitingOf(waiting), "Waiting for upstream hosted's budget of 3 requests per minute.");
  const ended = await bora.ended(id);
  assert.deepEqual([ended.succeeded_requests, waitingOf(ended)], [7, '']);
  for (const [place, at] of cameAt.entries()) {
    const before = cameAt[place - 3] ?? -Infinity;
    assert.ok(at - before > 59_000, `requests ${place - 3} and ${place} came ${at - before} ms apart`);
  }
  assert.ok(cameAt[6] - cameAt[0] < 150_000, 'the budget is used');
});
