import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BoraClient } from '@bora/client';
import { startSimulator } from '@bora/simulator/simulator';
import type { Simulator } from '@bora/simulator/simulator';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { listening, startBora } from './bora-process.ts';
import type { BoraProcess } from './bora-process.ts';

const TIMEOUT = { timeout: 60_000 };
const MODEL = 'simulated-chat';
const SLOW_MS = 60_000;
const QUESTIONS = [
  ...Array.from({ length: 40 }, (_, at) => `answered ${at}`),
  ...Array.from({ length: 5 }, (_, at) => `slow ${at}`),
  ...Array.from({ length: 6 }, (_, at) => `hanging ${at}`),
];

let folder: AsyncDisposable & { readonly path: string };
before(async () => {
  folder = await makeTemporaryFolder();
});
after(() => folder[Symbol.asyncDispose]());

function bodyOf(question: string): string {
  return `{"messages":[{"role":"user","content":"${question}"}],"model":"${MODEL}"}`;
}

/** How often each question came to the simulator, of those whose name begins so. */
function received(simulator: Simulator, name: string): number[] {
  return QUESTIONS.filter((question) => question.startsWith(name)).map(
    (question) => simulator.received(bodyOf(question)).received,
  );
}

interface Stopped extends AsyncDisposable {
  readonly simulator: Simulator;
  readonly clock: SimulatedClock;
  readonly first: BoraProcess;
  /** Starts another on the same folder, and resolves once the job has ended. */
  readonly restart: () => Promise<void>;
}

/** A `bora serve` with a job of which 40 requests are journaled, 5 are being answered slowly and 6 hang. */
async function startWithJobUnderWay(data: string, graceSeconds: number): Promise<Stopped> {
  await using starting = new AsyncDisposableStack();
  const clock = new SimulatedClock();
  const simulator = starting.use(
    await startSimulator(
      { slowBodyMs: SLOW_MS },
      {
        clock,
        chooseFault({ body, times }) {
          const text = Buffer.from(body).toString();
          if (text.includes('"slow ')) return { kind: 'slow' };
          return text.includes('"hanging ') && times === 1 ? { kind: 'hang' } : null;
        },
      },
    ),
  );
  const env = {
    BORA_UPSTREAM: simulator.url,
    BORA_DATA: `${folder.path}/${data}`,
    BORA_PORT: '0',
    BORA_STOP_GRACE_SECONDS: String(graceSeconds),
  };
  const start = async (stack: AsyncDisposableStack): Promise<[BoraProcess, BoraClient]> => {
    const bora = startBora(['serve', '--json'], { env });
    stack.defer(async () => {
      bora.child.kill('SIGKILL');
      await bora.finished;
    });
    return [bora, new BoraClient({ baseUrl: (await listening(bora)).url })];
  };

  const [first, client] = await start(starting);
  const lines = QUESTIONS.map((question) => `{"custom_id":"${question}","body":${bodyOf(question)}}\n`);
  const input = await client.files.upload(new Blob(lines), { filename: 'questions.jsonl' });
  const { id } = await client.jobs.create({
    endpoint: '/v1/chat/completions',
    model: MODEL,
    input_files: [input.id],
  });
  const until = async (of: BoraClient, holds: (done: number, ended: boolean) => boolean): Promise<void> => {
    for (;;) {
      const job = await of.jobs.get(id);
      if (holds(job.succeeded_requests, job.status === 'SUCCESS')) return;
      await new Promise(setImmediate);
    }
  };
  await until(client, (done) => done === 40 && simulator.stats().inFlight === 11);

  const started = starting.move();
  return {
    simulator,
    clock,
    first,
    async restart() {
      const [, again] = await start(started);
      // What is slow is slow again where it is sent again.
      const timer = setInterval(() => void clock.advance(SLOW_MS), 10);
      try {
        await until(again, (_, ended) => ended);
      } finally {
        clearInterval(timer);
      }
      const job = await again.jobs.get(id);
      assert.deepEqual([job.succeeded_requests, job.failed_requests], [QUESTIONS.length, 0]);
    },
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(
    `${signal} lets what it can finish within the grace, says how many it aborted, and exactly those are sent again`,
    TIMEOUT,
    async () => {
      await using world = await startWithJobUnderWay(`in-order-${signal}`, 5);
      const { simulator, clock, first, restart } = world;
      first.child.kill(signal);
      await first.stdoutMatches(/Bora stops/);
      await clock.advance(SLOW_MS);
      const { code, stdout } = await first.finished;
      assert.equal(code, 0, stdout);
      assert.match(stdout, /"aborted":6,/);
      assert.deepEqual(received(simulator, 'slow'), [1, 1, 1, 1, 1]);

      await restart();
      assert.deepEqual(received(simulator, 'hanging'), [2, 2, 2, 2, 2, 2]);
      assert.deepEqual(
        new Set([...received(simulator, 'slow'), ...received(simulator, 'answered')]),
        new Set([1]),
      );
    },
  );

  test(`a second ${signal} ends it at once, and only what was in flight is sent again`, TIMEOUT, async () => {
    await using world = await startWithJobUnderWay(`at-once-${signal}`, 3_600);
    const { simulator, first, restart } = world;
    first.child.kill(signal);
    await first.stdoutMatches(/Bora stops/);
    first.child.kill(signal);
    assert.equal((await first.finished).code, signal === 'SIGTERM' ? 143 : 130);

    await restart();
    assert.deepEqual(received(simulator, 'hanging'), [2, 2, 2, 2, 2, 2]);
    assert.deepEqual(received(simulator, 'slow'), [2, 2, 2, 2, 2]);
    assert.deepEqual(new Set(received(simulator, 'answered')), new Set([1]));
  });
}
