import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import fc from 'fast-check';
import { RateBudget } from '../src/upstreams/rate-budget.ts';
import { remainingQuotas } from '../src/upstreams/rate-limit-headers.ts';
import { SlidingMinute } from '../src/upstreams/sliding-minute.ts';
import { TokenEstimate } from '../src/upstreams/token-estimate.ts';
import {
  acquire,
  BreakableUpstream,
  json,
  registryOf,
  requestOf,
  ROUTE,
  send,
} from './breakable-upstream.ts';

const MINUTE = 60_000;
const UNLIMITED = { requestsPerMinute: null, tokensPerMinute: null };

interface Spending {
  readonly at: number;
  readonly amount: number;
}

/** The most that any minute holds, both of its ends included. */
function mostInAMinute(spendings: readonly Spending[]): number {
  let most = 0;
  let sum = 0;
  let first = 0;
  for (const { at, amount } of spendings) {
    sum += amount;
    while (spendings[first].at < at - MINUTE) sum -= spendings[first++].amount;
    most = Math.max(most, sum);
  }
  return most;
}

/** Spends `amounts` in turn, each as soon as it may be, until `until`. */
function spendSteadily(minute: SlidingMinute, amounts: readonly number[], until: number): Spending[] {
  const spendings: Spending[] = [];
  let at = 0;
  for (let turn = 0; ; turn++) {
    const amount = amounts[turn % amounts.length];
    at = minute.freeAt(amount, at);
    if (at >= until) return spendings;
    minute.spend(amount, at);
    spendings.push({ at, amount });
  }
}

test('no minute, wherever it begins, holds more than the budget, however requests come', () => {
  const steps = fc.array(fc.record({ wait: fc.nat(9_000), amount: fc.integer({ min: 1, max: 12 }) }), {
    minLength: 50,
    maxLength: 400,
  });
  fc.assert(
    fc.property(fc.integer({ min: 12, max: 300 }), steps, (limit, all) => {
      const minute = new SlidingMinute(limit);
      const spendings: Spending[] = [];
      let at = 0;
      for (const { wait, amount } of all) {
        at += wait;
        if (minute.freeAt(amount, at) > at) continue;
        minute.spend(amount, at);
        spendings.push({ at, amount });
      }
      assert.ok(mostInAMinute(spendings) <= limit);
    }),
  );
});

test('under steady load at least 95 % of the budget is used, and never more than all of it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_000 }), (limit) => {
      const spendings = spendSteadily(new SlidingMinute(limit), [1], 5 * MINUTE);
      assert.ok(spendings.length >= 0.95 * 5 * limit, `${spendings.length} of ${5 * limit}`);
      assert.ok(mostInAMinute(spendings) <= limit);
    }),
    { numRuns: 30 },
  );
});

test('the same holds for amounts of different sizes', () => {
  const amounts = fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(amounts, (sizes) => {
      const limit = 100_000;
      const spendings = spendSteadily(new SlidingMinute(limit), sizes, 5 * MINUTE);
      const used = spendings.reduce((sum, { amount }) => sum + amount, 0);
      assert.ok(used >= 0.95 * 5 * limit, `${used} of ${5 * limit}`);
      assert.ok(mostInAMinute(spendings) <= limit);
    }),
    { numRuns: 30 },
  );
});

test('it goes out at an even pace, not all at once and then nothing for a minute', () => {
  const spendings = spendSteadily(new SlidingMinute(600), [1], MINUTE);
  assert.equal(spendings.filter(({ at }) => at === 0).length, 30);
  const inSecond = spendings.filter(({ at }) => at >= 20_000 && at < 21_000);
  assert.equal(inSecond.length, 10);
});

test('what is larger than the whole budget goes alone, in a minute of its own', () => {
  const minute = new SlidingMinute(100);
  assert.equal(minute.freeAt(500, 0), 0);
  minute.spend(500, 0);
  const next = minute.freeAt(1, 0);
  assert.ok(next > MINUTE, String(next));
});

test('a correction counts in the minute of what it corrects', () => {
  const minute = new SlidingMinute(100);
  const spent = minute.spend(50, 0);
  minute.amend(spent, -50, 10_000);
  assert.equal(minute.freeAt(100, 10_000), 10_000);
  minute.amend(spent, 100, 20_000);
  assert.ok(minute.freeAt(1, 20_000) >= MINUTE);
  minute.amend(spent, 100, 90_000);
  assert.ok(
    minute.freeAt(1, 90_000) >= 90_000 + MINUTE,
    'what left the minute is charged late rather than never',
  );
});

test('without a budget nothing is asked, counted in minutes, or timed', () => {
  const clock = new SimulatedClock();
  const budget = new RateBudget('u', UNLIMITED, clock, () => assert.fail('nothing changed'));
  for (let at = 0; at < 10_000; at++) {
    assert.ok(budget.admits(1e9));
    budget.charge(1e9);
  }
  assert.equal(clock.waiting, 0);
  assert.equal(budget.waitsFor, null);
});

test('a request that was never sent, or refused for load, gives back what it was charged', () => {
  const clock = new SimulatedClock();
  const budget = new RateBudget('u', { requestsPerMinute: 1, tokensPerMinute: 100 }, clock, () => {});
  const charge = budget.charge(100);
  assert.equal(budget.admits(10), false);
  budget.refund(charge);
  assert.equal(budget.admits(10), true);
  const refused = budget.charge(100);
  budget.settle(refused, 0);
  assert.equal(budget.admits(10), false);
  assert.equal(budget.waitsFor, "Waiting for upstream u's budget of 1 requests per minute.");
});

test('tokens are charged as estimated and corrected by what the answer says', async () => {
  const clock = new SimulatedClock();
  let calls = 0;
  const limits = { requestsPerMinute: null, tokensPerMinute: 1_000 };
  const budget = new RateBudget('u', limits, clock, () => (calls += 1));
  budget.settle(budget.charge(10), 990);
  assert.equal(budget.admits(20), false);
  assert.equal(budget.waitsFor, "Waiting for upstream u's budget of 1000 tokens per minute.");
  assert.equal(calls, 0);
  await clock.advance(MINUTE + 100);
  assert.equal(calls, 1);
  assert.equal(budget.waitsFor, null);
  assert.ok(budget.admits(20));
});

test('an estimate becomes that of the answers before', () => {
  const estimate = new TokenEstimate();
  assert.equal(estimate.of(400), 356);
  for (let answer = 0; answer < 200; answer++) estimate.learn(400, { inputTokens: 80, outputTokens: 0 });
  assert.ok(Math.abs(estimate.of(800) - 160) <= 2, String(estimate.of(800)));
});

for (const [headers, wanted] of [
  [{}, null],
  [{ 'x-ratelimit-limit-requests': '60' }, null],
  [
    { 'x-ratelimit-remaining-requests': '59', 'x-ratelimit-reset-requests': '1s' },
    { requests: { remaining: 59, resetMs: 1_000 }, tokens: null },
  ],
  [
    {
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '6m0s',
      'x-ratelimit-remaining-tokens': '149984',
      'x-ratelimit-reset-tokens': '12ms',
    },
    { requests: { remaining: 0, resetMs: 360_000 }, tokens: { remaining: 149_984, resetMs: 12 } },
  ],
  [
    {
      'x-ratelimit-limit-req-minute': '720',
      'x-ratelimit-remaining-req-minute': '717',
      'x-ratelimit-limit-tokens-minute': '5000000',
      'x-ratelimit-remaining-tokens-minute': '4999911',
      'x-ratelimit-tokens-query-cost': '52',
    },
    { requests: { remaining: 717, resetMs: MINUTE }, tokens: { remaining: 4_999_911, resetMs: MINUTE } },
  ],
  [{ 'x-ratelimit-remaining-tokens': '-1', 'x-ratelimit-reset-tokens': '0' }, null],
  [
    { 'x-ratelimit-remaining-tokens': '5', 'x-ratelimit-reset-tokens': '17' },
    { requests: null, tokens: { remaining: 5, resetMs: 17_000 } },
  ],
  [
    { 'x-ratelimit-remaining-requests': '5', 'x-ratelimit-reset-requests': '3d' },
    { requests: { remaining: 5, resetMs: 3_600_000 }, tokens: null },
  ],
  [
    { 'x-ratelimit-remaining-requests': '5', 'x-ratelimit-reset-requests': 'soon' },
    { requests: { remaining: 5, resetMs: MINUTE }, tokens: null },
  ],
] as const) {
  test(`headers ${JSON.stringify(headers)} are read`, () => {
    assert.deepEqual(remainingQuotas(headers), wanted);
  });
}

test('what an upstream says is left is sent and no more, until it is reset', async () => {
  const clock = new SimulatedClock();
  let freed = 0;
  const budget = new RateBudget('u', UNLIMITED, clock, () => (freed += 1));
  const first = budget.charge(1);
  budget.charge(1);
  budget.heed({ 'x-ratelimit-remaining-requests': '2', 'x-ratelimit-reset-requests': '30s' }, first);
  assert.ok(budget.admits(1), 'one of the two was sent before the answer came');
  const last = budget.charge(1);
  assert.equal(budget.admits(1), false);
  assert.equal(
    budget.waitsFor,
    'Waiting for upstream u, which says that it takes no more requests for 30 s.',
  );

  budget.heed({ 'x-ratelimit-remaining-requests': '1', 'x-ratelimit-reset-requests': '10s' }, last);
  budget.heed({ 'x-ratelimit-remaining-requests': '90', 'x-ratelimit-reset-requests': '1s' }, first);
  assert.ok(budget.admits(1));
  budget.charge(1);
  assert.equal(budget.admits(1), false, 'the answer to the later request knows better');
  await clock.advance(10_000);
  assert.equal(freed, 1);
  assert.ok(budget.admits(1));
});

test('an upstream at its budget gives no place until the next minute, and says so', async () => {
  await using upstream = await BreakableUpstream.open();
  const clock = new SimulatedClock();
  await using upstreams = registryOf([{ name: 'gpu', url: upstream.url, requestsPerMinute: 1 }], clock);
  await upstreams.start();
  let changes = 0;
  acquire(upstreams).release();
  await send(upstreams);
  assert.equal(upstreams.whyWaiting(ROUTE), null);
  assert.equal(upstreams.tryAcquire(ROUTE), null);
  assert.equal(upstreams.whyWaiting(ROUTE), "Waiting for upstream gpu's budget of 1 requests per minute.");
  assert.equal(upstreams.status()[0].waitsFor, upstreams.whyWaiting(ROUTE));
  upstreams.onChange(() => (changes += 1));
  await clock.advance(MINUTE + 100);
  assert.ok(changes > 0);
  await send(upstreams);
});

test('a smaller request goes out where a larger one waits for the budget of tokens', async () => {
  await using upstream = await BreakableUpstream.open();
  upstream.reply = json(200, { usage: { prompt_tokens: 900, completion_tokens: 0 } });
  const clock = new SimulatedClock();
  await using upstreams = registryOf([{ name: 'u', url: upstream.url, tokensPerMinute: 20_000 }], clock);
  await upstreams.start();
  await send(upstreams, requestOf('{"q":1}'));
  assert.equal(upstreams.tryAcquire(ROUTE, 100_000), null);
  assert.ok(upstreams.tryAcquire(ROUTE, 10));
});

test('headers of an answer hold the next request back', async () => {
  await using upstream = await BreakableUpstream.open();
  const clock = new SimulatedClock();
  await using upstreams = registryOf([{ name: 'u', url: upstream.url }], clock);
  await upstreams.start();
  upstream.reply = json(200, {}, { 'x-ratelimit-remaining-req-minute': '0' });
  await send(upstreams);
  assert.equal(upstreams.tryAcquire(ROUTE), null);
  assert.match(upstreams.whyWaiting(ROUTE) ?? '', /says that it takes no more requests for 60 s/);
  await clock.advance(MINUTE);
  assert.ok(upstreams.tryAcquire(ROUTE));
});
