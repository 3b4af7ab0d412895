import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModelNames } from '../src/upstreams/model-names.ts';
import { BreakableUpstream, registryOf } from './breakable-upstream.ts';

const CHAT = '/v1/chat/completions';

test('a list serves its names as they are', () => {
  const names = new ModelNames(['a', 'b']);
  assert.deepEqual(names.asked, ['a', 'b']);
  assert.equal(names.upstreamNameOf('b'), 'b');
  assert.equal(names.upstreamNameOf('c'), null);
});

test('a mapping serves its names under what the upstream calls them, and no other', () => {
  const names = new ModelNames({ small: 'qwen3-8b', constructor: 'odd' });
  assert.deepEqual(names.asked, ['small', 'constructor']);
  assert.equal(names.upstreamNameOf('small'), 'qwen3-8b');
  assert.equal(names.upstreamNameOf('constructor'), 'odd');
  assert.equal(names.upstreamNameOf('qwen3-8b'), null);
  assert.equal(names.upstreamNameOf('toString'), null);
});

test('a star takes every name that is not there, as it is or as one model', () => {
  for (const any of [new ModelNames(['*']), new ModelNames({ '*': '*' })]) {
    assert.equal(any.asked, 'any');
    assert.equal(any.upstreamNameOf('whatever'), 'whatever');
  }
  const one = new ModelNames({ small: 'tiny', '*': 'large' });
  assert.equal(one.asked, 'any');
  assert.deepEqual(
    ['small', 'x', '*'].map((name) => one.upstreamNameOf(name)),
    ['tiny', 'large', 'large'],
  );
});

test('names that mean one model share its window', async () => {
  await using upstream = await BreakableUpstream.open();
  await using upstreams = registryOf([
    { name: 'u', url: upstream.url, models: { a: 'm', b: 'm' }, maxInFlight: 2 },
  ]);
  await upstreams.start();
  assert.equal(upstreams.capacity(), 2);
  assert.ok(upstreams.tryAcquire(`${CHAT} a`));
  assert.ok(upstreams.tryAcquire(`${CHAT} b`));
  const [{ serves, models }] = upstreams.status();
  assert.deepEqual(serves, ['a', 'b']);
  assert.deepEqual(
    models.map(({ model, inFlight }) => [model, inFlight]),
    [['m', 2]],
  );
});
