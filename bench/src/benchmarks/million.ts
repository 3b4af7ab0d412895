import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { SimulatorStats } from '@bora/simulator/stats';
import type { Benchmark, Setup } from '../benchmark.ts';
import { MemoryWatch, residentBytes } from '../memory.ts';
import { startServe } from '../processes.ts';
import { writeChatFile } from '../request-file.ts';
import { makeScratchFolder } from '../scratch-folder.ts';
import { MeasuringSimulator } from '../simulator-stats.ts';
import { createJob, downloadResults } from '../whole-batch.ts';

const WINDOW = 256;
/** Such that the window asks for 8,000 a second, which two cores can do: a million take two minutes. */
const LATENCY_MS = 32;
const GRACE_MS = 2_000;
const MEGABYTE = 1_000_000;

/**
 * Whether size matters: a file of a million lines must be sent as soon and as steadily as a small one, in the same memory.
 * The window's fullness is the simulator's busy slot-time, as in window.ts, from 2 s after create on, so that the plan of the
 * whole file must not hold up the first requests. Memory is that of all Bora processes, from before the upload to the last
 * byte of the results.
 *
 * The limits: nine tenths of the window, and 400 MB, a third of the file's size.
 */
export const million: Benchmark<'full' | 'worstSecond' | 'memory' | 'peak' | 'whole' | 'firstRequest'> = {
  name: 'million',
  question: 'Does a file of a million lines run as a small one does?',
  configuration: (setup) => `${requestsOf(setup)} lines of 1 KB, window ${WINDOW}, ${LATENCY_MS} ms each`,
  figures: {
    full: { label: 'window full, from 2 s after create', unit: '', limit: { atLeast: 0.9 } },
    worstSecond: { label: 'in its emptiest second', unit: '' },
    memory: { label: 'memory of Bora, the most seen', unit: 'MB', limit: { atMost: 400 } },
    peak: { label: 'memory of Bora, as the kernel remembers it', unit: 'MB' },
    firstRequest: { label: 'from create to the first request', unit: 's' },
    whole: { label: 'from create to the last byte of the results', unit: 's' },
  },
  async *measure(setup) {
    const file = join(setup.folder, 'requests.jsonl');
    setup.say('writes the file');
    await writeChatFile(file, requestsOf(setup));
    for (let run = 0; run < setup.runs; run++) yield await runOnce(setup, file);
  },
};

async function runOnce(setup: Setup, file: string): Promise<Record<keyof typeof million.figures, number>> {
  await using data = await makeScratchFolder(setup.folder);
  await using simulator = await MeasuringSimulator.start(WINDOW, LATENCY_MS);
  await using bora = await startServe({ data: data.path, upstream: simulator.url, maxInFlight: WINDOW });
  const { pid } = bora.started;
  using memory = new MemoryWatch(pid);
  const uploaded = await bora.client.files.upload({ path: file });

  const createdAt = Date.now();
  const ended = new AbortController();
  const jobId = await createJob(bora.client, uploaded.id, 'simulated-chat');
  const watching = watchWindow(simulator, ended.signal);
  await downloadResults(bora.client, jobId);
  const seconds = (Date.now() - createdAt) / 1000;
  ended.abort();
  const looks = await watching;
  const last = await simulator.stats();
  const memoryPeak = residentBytes(pid).peak;

  const lastAt = last.lastRequestAt ?? 0;
  const whole = [
    ...looks.filter(({ at }) => at < lastAt),
    { at: lastAt, busyMs: last.busySlotMsAtLastRequest },
  ];
  const perSecond = whole.slice(1).map((look, place) => fullness(whole[place], look));
  return {
    full: fullness(whole[0], whole[whole.length - 1]),
    // The last piece is shorter than a second.
    worstSecond: Math.min(...perSecond.slice(0, -1)),
    memory: memory.mostBytes / MEGABYTE,
    peak: memoryPeak / MEGABYTE,
    firstRequest: ((last.firstRequestAt ?? 0) - createdAt) / 1000,
    whole: seconds,
  };
}

interface Look {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly busyMs: number;
}

/** Looks once a second, first when the grace is over. */
async function watchWindow(simulator: MeasuringSimulator, ended: AbortSignal): Promise<Look[]> {
  const looks: Look[] = [];
  for (let pause = GRACE_MS; ; pause = 1_000) {
    await setTimeout(pause, undefined, { signal: ended }).catch(() => undefined);
    if (ended.aborted) return looks;
    looks.push(lookAt(await simulator.stats()));
  }
}

function lookAt({ busySlotMs }: SimulatorStats): Look {
  return { at: Date.now(), busyMs: busySlotMs };
}

function fullness(from: Look, to: Look): number {
  return (to.busyMs - from.busyMs) / (WINDOW * (to.at - from.at));
}

function requestsOf({ isQuick }: Setup): number {
  return isQuick ? 50_000 : 1_000_000;
}
