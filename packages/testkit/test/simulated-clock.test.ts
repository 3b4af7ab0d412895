import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';

describe('the simulated clock', () => {
  it('stands still until it is advanced', async () => {
    const clock = new SimulatedClock(1_000);
    let isRun = false;
    clock.after(10, () => (isRun = true));
    await clock.advance(9);
    assert.deepEqual([clock.now(), clock.elapsed(), isRun], [1_009, 9, false]);
    await clock.advance(1);
    assert.deepEqual([clock.now(), clock.elapsed(), isRun], [1_010, 10, true]);
  });

  it('runs timers in the order of their times, equal ones as they were set, each at its own time', async () => {
    const clock = new SimulatedClock(0);
    const ran: string[] = [];
    for (const [name, ms] of [
      ['c', 30],
      ['a', 10],
      ['b', 20],
      ['b2', 20],
      ['now', 0],
      ['past', -5],
    ] as const) {
      clock.after(ms, () => ran.push(`${name}@${clock.now()}`));
    }
    await clock.advance(100);
    assert.deepEqual(ran, ['now@0', 'past@0', 'a@10', 'b@20', 'b2@20', 'c@30']);
    assert.equal(clock.now(), 100);
  });

  it('lets a loop of sleeps run as often as there is time for', async () => {
    const clock = new SimulatedClock(0);
    const woken: number[] = [];
    void (async () => {
      for (;;) {
        await clock.sleep(10);
        await Promise.resolve();
        woken.push(clock.now());
      }
    })();
    await clock.advance(35);
    assert.deepEqual(woken, [10, 20, 30]);
    await clock.advance(5);
    assert.deepEqual(woken, [10, 20, 30, 40]);
  });

  it('forgets a cancelled timer', async () => {
    const clock = new SimulatedClock();
    const cancel = clock.after(5, () => assert.fail('It was cancelled.'));
    cancel();
    assert.equal(clock.waiting, 0);
    await clock.advance(10);
  });

  it('ends an aborted sleep with the reason, and only that one', async () => {
    const clock = new SimulatedClock();
    const stop = new AbortController();
    const aborted = assert.rejects(clock.sleep(10, stop.signal), /enough/);
    const other = clock.sleep(10);
    stop.abort(new Error('enough'));
    await aborted;
    assert.equal(clock.waiting, 1);
    await clock.advance(10);
    await other;
    await assert.rejects(clock.sleep(10, stop.signal), /enough/);
  });
});
