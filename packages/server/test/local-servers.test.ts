import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { findLocalServers } from '../src/upstreams/local-servers.ts';
import type { UpstreamConfig } from '../src/upstreams/upstreams.ts';
import { BreakableUpstream, hold, json, registryOf, ROUTE, send } from './breakable-upstream.ts';

const LIST = { object: 'list', data: [{ id: 'm', object: 'model' }] };

async function isFound(listing: BreakableUpstream['listing'], probeMs = 10_000): Promise<boolean> {
  await using server = await BreakableUpstream.open();
  server.listing = listing;
  return (await findLocalServers([{ url: server.url, maxInFlight: null }], probeMs)).length === 1;
}

test('servers that list models are found, in their order; those that do not answer are not', async () => {
  await using first = await BreakableUpstream.open();
  await using gone = await BreakableUpstream.open();
  await using last = await BreakableUpstream.open();
  for (const server of [first, last]) server.listing = json(200, LIST);
  await gone.close();
  const found = await findLocalServers([
    { url: first.url, maxInFlight: 4 },
    { url: gone.url, maxInFlight: null },
    { url: last.url, maxInFlight: null },
  ]);
  assert.deepEqual(found, [
    { name: new URL(first.url).host, url: first.url, maxInFlight: 4, found: true },
    { name: new URL(last.url).host, url: last.url, maxInFlight: null, found: true },
  ]);
});

for (const [what, listing] of [
  ['a page', json(200, '<html>models</html>')],
  ['another JSON', json(200, { status: 'ok' })],
  ['another list', json(200, { data: [1, 2] })],
  ['models without ids', json(200, { object: 'list', data: [{ name: 'm' }] })],
  ['no model', json(200, { object: 'list', data: [] })],
  ['null for models', json(200, { object: 'list', data: null })],
  ['a refusal', json(401, { object: 'error' })],
  ['an error that looks like a list', json(500, LIST)],
  ['a redirect', json(302, LIST, { location: '/v1/models' })],
  ['the list of a Bora', json(200, LIST, { 'mistral-correlation-id': 'x' })],
] as const) {
  test(`what answers ${what} is not taken for an inference server`, async () => {
    assert.equal(await isFound(listing), false);
  });
}

test('what does not answer in time is not waited for', async () => {
  assert.equal(await isFound(hold, 20), false);
});

test('with none configured it is looked for some until there are some, and those are used', async () => {
  await using server = await BreakableUpstream.open();
  const clock = new SimulatedClock();
  const configs: UpstreamConfig[] = [];
  let searches = 0;
  const find = () => {
    searches += 1;
    return Promise.resolve(configs);
  };
  await using upstreams = registryOf([], clock, { find });
  await upstreams.start();
  assert.deepEqual([searches, upstreams.status()], [1, []]);
  assert.equal(
    upstreams.whyWaiting(ROUTE),
    'No upstream is configured, and none answers on the usual ports of this machine; start one, or set BORA_UPSTREAM.',
  );

  configs.push({ name: 'here', url: server.url, found: true });
  const heard = new Promise<void>((resolve) => {
    upstreams.onChange(() => upstreams.routes().length > 0 && resolve());
  });
  await clock.advance(15_000);
  await heard;
  assert.deepEqual(upstreams.routes(), [ROUTE]);
  assert.deepEqual([upstreams.status()[0].found, upstreams.status()[0].name], [true, 'here']);
  assert.equal((await send(upstreams)).kind, 'succeeded');
  await clock.advance(60_000);
  assert.equal(searches, 2, 'who has been found is not looked for again');
});

test('a pause by hand holds for an upstream that is found later', async () => {
  await using server = await BreakableUpstream.open();
  const find = () => Promise.resolve([{ name: 'here', url: server.url, found: true }]);
  const clock = new SimulatedClock();
  await using upstreams = registryOf([], clock, { find });
  upstreams.pause({ upstream: 'here', reason: 'cards', pausedAt: clock.now() - 60_000 });
  await upstreams.start();
  assert.equal(upstreams.tryAcquire(ROUTE), null);
  assert.match(upstreams.whyWaiting(ROUTE) ?? '', /is paused by hand \(cards\) since 60 s/);
});

test('nobody is looked for where one is configured, or after the end', async () => {
  await using server = await BreakableUpstream.open();
  const clock = new SimulatedClock();
  await using configured = registryOf([server.url], clock, { find: () => assert.fail('one is configured') });
  await configured.start();
  let searches = 0;
  const closed = registryOf([], clock, { find: () => Promise.resolve((searches++, [])) });
  await closed.start();
  await closed[Symbol.asyncDispose]();
  await clock.advance(60_000);
  assert.equal(searches, 1);
});
