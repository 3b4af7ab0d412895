import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Benchmark, Setup } from '../benchmark.ts';
import { startServe } from '../processes.ts';
import { writeChatFile } from '../request-file.ts';
import { makeScratchFolder } from '../scratch-folder.ts';
import { MeasuringSimulator } from '../simulator-stats.ts';
import { createJob, downloadResults } from '../whole-batch.ts';

const SLOTS = 256;
const LATENCY_MS = 50;
const LOOK_EVERY_MS = 20;

/**
 * How long a crash costs. Bora is killed with SIGKILL when half of a batch is done, and started again on the same folder;
 * counted is from the spawn of the new process to the first request that reaches the upstream. Then the batch must end
 * with one line per request, or there is no figure.
 *
 * The limit: 3 s, what a person would call at once. A lease that had to time out would not keep it.
 */
export const restart: Benchmark<'dispatch' | 'ready'> = {
  name: 'restart',
  question: 'How soon does dispatch go on after kill -9?',
  configuration: (setup) =>
    `${requestsOf(setup)} requests, ${SLOTS} slots of ${LATENCY_MS} ms, killed when half are done`,
  figures: {
    dispatch: { label: 'from spawn to the first request', unit: 's', limit: { atMost: 3 } },
    ready: { label: 'from spawn to the banner', unit: 's' },
  },
  async *measure(setup) {
    const file = join(setup.folder, 'requests.jsonl');
    await writeChatFile(file, requestsOf(setup));
    for (let run = 0; run < setup.runs; run++) {
      await using data = await makeScratchFolder(setup.folder);
      await using simulator = await MeasuringSimulator.start(SLOTS, LATENCY_MS);
      const options = { data: data.path, upstream: simulator.url, maxInFlight: SLOTS };

      let jobId: string;
      {
        await using killed = await startServe(options);
        const uploaded = await killed.client.files.upload({ path: file });
        jobId = await createJob(killed.client, uploaded.id, 'simulated-chat');
        const half = requestsOf(setup) / 2;
        while ((await killed.client.jobs.get(jobId)).completed_requests < half)
          await setTimeout(LOOK_EVERY_MS);
      }
      // What was sent before the kill must not be taken for what comes after it.
      while ((await simulator.stats()).inFlight > 0) await setTimeout(LOOK_EVERY_MS);
      await simulator.reset();

      const spawnedAt = Date.now();
      await using restarted = await startServe(options);
      const readyAt = Date.now();
      await downloadResults(restarted.client, jobId);
      const { firstRequestAt } = await simulator.stats();
      yield {
        dispatch: ((firstRequestAt ?? Infinity) - spawnedAt) / 1000,
        ready: (readyAt - spawnedAt) / 1000,
      };
    }
  },
};

function requestsOf({ isQuick }: Setup): number {
  return isQuick ? 10_000 : 100_000;
}
