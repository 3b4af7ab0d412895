import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import type { UpstreamRegistry } from '../src/upstreams/registry.ts';
import type { Slot, Verdict } from '../src/upstreams/upstreams.ts';
import {
  acquire,
  BreakableUpstream,
  json,
  registryOf,
  requestOf,
  ROUTE,
  send,
  until,
} from './breakable-upstream.ts';

const MINUTE = 60_000;
const OCR_ROUTE = '/v1/ocr m';
const ocrRequest = requestOf('{"document":{}}', { endpoint: '/v1/ocr', route: OCR_ROUTE });
const ENDPOINTS = ['/v1/chat/completions', '/v1/ocr'];

async function worldOfEndpoints(
  ...configs: readonly (readonly string[] | null)[]
): Promise<
  AsyncDisposable & { upstream: BreakableUpstream; upstreams: UpstreamRegistry; clock: SimulatedClock }
> {
  const upstream = await BreakableUpstream.open();
  const clock = new SimulatedClock();
  const upstreams = registryOf(
    configs.map((endpoints, at) => ({ name: `u${at}`, url: `${upstream.url}/u${at}`, endpoints })),
    clock,
    { endpoints: ENDPOINTS },
  );
  await upstreams.start();
  return {
    upstream,
    upstreams,
    clock,
    async [Symbol.asyncDispose]() {
      await upstreams[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

test('requests go only to upstreams that are meant to serve their endpoint', async () => {
  await using w = await worldOfEndpoints(['/v1/chat/completions'], ['/v1/ocr']);
  assert.equal(acquire(w.upstreams, OCR_ROUTE).upstream, 'u1');
  assert.equal(acquire(w.upstreams, ROUTE).upstream, 'u0');
  assert.deepEqual(w.upstreams.routes(), [ROUTE, OCR_ROUTE]);
  assert.deepEqual(w.upstreams.endpoints(), ENDPOINTS);
});

test('an endpoint that nobody is meant to serve has no route, and says so', async () => {
  await using w = await worldOfEndpoints(['/v1/chat/completions']);
  assert.deepEqual(w.upstreams.routes(), [ROUTE]);
  assert.deepEqual(w.upstreams.endpoints(), ['/v1/chat/completions']);
  assert.equal(w.upstreams.tryAcquire(OCR_ROUTE), null);
  assert.deepEqual(w.upstreams.models('/v1/ocr'), { reachable: false, models: [], unheard: [] });
  assert.equal(w.upstreams.whyWaiting(OCR_ROUTE), 'No upstream is meant to serve /v1/ocr.');
  await using none = await worldOfEndpoints();
  assert.deepEqual(none.upstreams.endpoints(), ENDPOINTS);
});

test('an endpoint that is not there waits, others go on, and it is tried again when a minute has passed', async () => {
  await using w = await worldOfEndpoints(null);
  w.upstream.reply = (request) =>
    json(request.path.endsWith('/v1/ocr') ? 404 : 200, { detail: 'Not Found' })(request);
  assertWaits(await send(w.upstreams, ocrRequest));
  assert.equal(w.upstream.requests.at(-1)?.body.toString(), '{}');
  assert.deepEqual(w.upstreams.routes(), [ROUTE]);
  assert.equal(w.upstreams.tryAcquire(OCR_ROUTE), null);
  await w.clock.advance(3_000);
  assert.match(
    w.upstreams.whyWaiting(OCR_ROUTE) ?? '',
    /does not serve \/v1\/ocr since 3 s; next try in 57 s\./,
  );
  assert.equal((await send(w.upstreams)).kind, 'succeeded');

  w.upstream.reply = json(200, {});
  await w.clock.advance(MINUTE - 3_000);
  await until(w.upstreams, () => w.upstreams.routes().includes(OCR_ROUTE));
  assert.equal((await send(w.upstreams, ocrRequest)).kind, 'succeeded');
});

test('where another upstream has the endpoint, requests go there', async () => {
  await using w = await worldOfEndpoints(null, null);
  w.upstream.reply = (request) => json(request.path === '/u0/v1/ocr' ? 404 : 200, {})(request);
  const first = acquire(w.upstreams, OCR_ROUTE);
  assert.equal(first.upstream, 'u0');
  assertWaits(await first.send(ocrRequest));
  assert.equal(w.upstreams.whyWaiting(OCR_ROUTE), null);
  for (const slot of places(w.upstreams, OCR_ROUTE)) assert.equal(slot.upstream, 'u1');
});

test('a 404 of an endpoint that has answered fails its line, without another question', async () => {
  await using w = await worldOfEndpoints(null);
  await send(w.upstreams);
  w.upstream.reply = json(404, { message: 'no such file' });
  assert.equal((await send(w.upstreams)).kind, 'failed');
  assert.equal(w.upstream.requests.length, 2);
});

test('an upstream that takes any model is not asked: the line fails with what came', async () => {
  await using w = await worldOfEndpoints(null);
  w.upstream.listing = json(404, {});
  w.upstream.reply = json(404, { detail: 'Not Found' });
  const anyModel = registryOf([w.upstream.url], w.clock, { endpoints: ENDPOINTS });
  await using _ = anyModel;
  await anyModel.start();
  assert.equal((await send(anyModel, ocrRequest)).kind, 'failed');
  assert.equal(w.upstream.requests.length, 1);
});

test('many that come upon a missing endpoint together ask for it once', async () => {
  await using w = await worldOfEndpoints(null);
  w.upstream.reply = json(404, {});
  const slots = places(w.upstreams, OCR_ROUTE);
  assert.equal(slots.length, 64);
  for (const verdict of await Promise.all(slots.map((slot) => slot.send(ocrRequest)))) assertWaits(verdict);
  assert.equal(w.upstream.requests.filter(({ body }) => body.toString() === '{}').length, 1);
});

function assertWaits(verdict: Verdict): void {
  assert.ok(verdict.kind === 'retry' && !verdict.countsAgainstLine, verdict.kind);
}

/** Takes every free place. */
function places(upstreams: UpstreamRegistry, route: string): Slot[] {
  const slots: Slot[] = [];
  for (let slot = upstreams.tryAcquire(route); slot !== null; slot = upstreams.tryAcquire(route))
    slots.push(slot);
  return slots;
}
