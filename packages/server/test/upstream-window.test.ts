import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AimdWindow } from '../src/upstreams/window.ts';
import type { AttemptEnd, Pass } from '../src/upstreams/window.ts';

const ANSWERED: AttemptEnd = { kind: 'answered', outputTokens: 1, elapsedMs: 1 };
const OVERLOADED: AttemptEnd = { kind: 'overloaded' };

function fill(window: AimdWindow): Pass[] {
  const passes: Pass[] = [];
  for (let pass = window.enter(); pass !== null; pass = window.enter()) passes.push(pass);
  return passes;
}

function roundTrip(window: AimdWindow, end: AttemptEnd): number {
  for (const pass of fill(window)) window.leave(pass, end);
  return window.limit;
}

test('a window starts at its cap and never lets more in', () => {
  const window = new AimdWindow(3);
  assert.equal(fill(window).length, 3);
  assert.deepEqual([window.limit, window.inFlight], [3, 3]);
  window.leave(0, { kind: 'other' });
  assert.equal(fill(window).length, 1);
});

test('a window halves once per round trip of refusals, down to one', () => {
  const window = new AimdWindow(64);
  const limits = Array.from({ length: 8 }, () => roundTrip(window, OVERLOADED));
  assert.deepEqual(limits, [32, 16, 8, 4, 2, 1, 1, 1]);
});

test('refusals of attempts sent before the last cut do not cut again, those sent after do', () => {
  const window = new AimdWindow(8);
  const [first, second, ...rest] = fill(window);
  assert.equal(window.leave(first, OVERLOADED), 'cut');
  assert.equal(window.leave(second, OVERLOADED), 'same');
  for (const pass of rest) window.leave(pass, { kind: 'other' });
  assert.equal(window.limit, 4);
  assert.equal(window.leave(window.enter() as Pass, OVERLOADED), 'cut');
  assert.equal(window.limit, 2);
});

test('a window grows by one for each window of answers, up to its cap', () => {
  const window = new AimdWindow(4);
  roundTrip(window, OVERLOADED);
  roundTrip(window, OVERLOADED);
  const limits = Array.from({ length: 10 }, () => {
    window.leave(window.enter() as Pass, ANSWERED);
    return window.limit;
  });
  assert.deepEqual(limits, [2, 2, 3, 3, 3, 4, 4, 4, 4, 4]);
});

test('failures that say nothing about load leave the window as it is', () => {
  const window = new AimdWindow(4);
  assert.equal(roundTrip(window, { kind: 'other' }), 4);
  assert.equal(window.inFlight, 0);
});
