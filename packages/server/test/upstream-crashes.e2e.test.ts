import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BreakableUpstream, hold } from './breakable-upstream.ts';
import type { ReceivedRequest } from './breakable-upstream.ts';
import { answerWell, errorOf, questionOf, startPacedBora } from './paced-bora.ts';
import type { PacedBora } from './paced-bora.ts';

const TIMEOUT = { timeout: 30_000 };
const WINDOW = 8;
const QUESTIONS = Array.from({ length: 40 }, (_, at) => `q${at}`);
const ANSWERED_AFTER_MS = 500;

interface Crashing extends AsyncDisposable {
  readonly upstream: BreakableUpstream;
  readonly bora: PacedBora;
  /** The process dies with all that is in flight, and is there again after so long. */
  readonly crash: (downMs: number) => void;
  readonly crashes: () => number;
}

async function startCrashing(): Promise<Crashing> {
  await using starting = new AsyncDisposableStack();
  const upstream = starting.use(await BreakableUpstream.open());
  const bora = starting.use(
    await startPacedBora({ upstreams: [{ name: 'gpu', url: upstream.url, max_in_flight: WINDOW }] }),
  );
  const started = starting.move();
  let crashes = 0;
  let isDown = false;
  return {
    upstream,
    bora,
    crashes: () => crashes,
    crash(downMs) {
      if (isDown) return;
      isDown = true;
      crashes += 1;
      void upstream.close().then(async () => {
        if (downMs > 0) await bora.clock.sleep(downMs);
        await upstream.listen();
        isDown = false;
      });
    },
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}

// One that is back at once is asked again on a fresh connection by itself, so each attempt is two crashes.
for (const [what, downMs, code, most] of [
  ['for some seconds', 3_000, 'poison', 4],
  ['and is there again at once', 0, 'upstream_reset', 10],
] as const) {
  test(
    `a line over which the upstream dies each time, ${what}, ends alone, and all others succeed`,
    TIMEOUT,
    async () => {
      await using world = await startCrashing();
      const { upstream, bora, crash } = world;
      upstream.reply = (request) => {
        if (questionOf(request) === 'q5') crash(downMs);
        else answerLater(bora, request);
      };
      const job = await bora.ended(await bora.ask(QUESTIONS));
      assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['SUCCESS', 39, 1]);
      assert.match(errorOf((await bora.results(job)).get('q5')), new RegExp(`"code":"${code}"`));
      assert.ok(world.crashes() >= 3 && world.crashes() <= most, `${world.crashes()} crashes`);
    },
  );
}

test(
  'an upstream that dies three times for its own reasons, all its window in flight, fails no line',
  TIMEOUT,
  async () => {
    await using world = await startCrashing();
    const { upstream, bora, crash } = world;
    const open = new Set<ReceivedRequest>();
    upstream.reply = (request) => {
      open.add(request);
      request.response.on('close', () => open.delete(request));
      answerLater(bora, request);
      if (world.crashes() < 3 && open.size === WINDOW) crash(3_000);
    };
    const job = await bora.ended(await bora.ask(QUESTIONS));
    assert.deepEqual([job.status, job.succeeded_requests, world.crashes()], ['SUCCESS', 40, 3]);
  },
);

test('an upstream that dies over whatever it is asked fails no line', TIMEOUT, async () => {
  await using world = await startCrashing();
  const { upstream, bora, crash } = world;
  upstream.reply = (request) => {
    hold(request);
    crash(2_000);
  };
  const id = await bora.ask(QUESTIONS);
  await bora.eventually(() => world.crashes() >= 12);
  assert.equal((await bora.client.jobs.get(id)).failed_requests, 0);
  upstream.reply = answerWell;
  const job = await bora.ended(id);
  assert.deepEqual([job.status, job.succeeded_requests], ['SUCCESS', 40]);
});

function answerLater(bora: PacedBora, request: ReceivedRequest): void {
  bora.clock.after(ANSWERED_AFTER_MS, () => {
    if (!request.response.destroyed) answerWell(request);
  });
}
