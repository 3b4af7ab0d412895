import { join } from 'node:path';
import type { Benchmark, Setup } from '../benchmark.ts';
import { startServe } from '../processes.ts';
import { writeChatFile } from '../request-file.ts';
import { makeScratchFolder } from '../scratch-folder.ts';
import { MeasuringSimulator } from '../simulator-stats.ts';
import { createJob, downloadResults } from '../whole-batch.ts';

const SLOTS = 256;
const LATENCY_MS = 50;

/**
 * Whether the machine behind is kept busy, which is what batch inference is for. The simulator works on 256 requests at once, 50 ms
 * each, and Bora may have no more than those in flight: each answer leaves a slot empty until the next request is there.
 * The simulator itself adds up how long its slots were busy.
 *
 * The limit: 5 % of 50 ms are 2.5 ms for an answer to travel, be taken, free its place, and for the next request to travel.
 */
export const window: Benchmark<'busy' | 'rate' | 'mostInFlight'> = {
  name: 'window',
  question: 'How full is an inference server kept?',
  configuration: (setup) =>
    `${requestsOf(setup)} requests, ${SLOTS} slots of ${LATENCY_MS} ms, window ${SLOTS}`,
  figures: {
    busy: {
      label: 'busy slot-time ÷ slots × time until the last dispatch',
      unit: '',
      limit: { atLeast: 0.95 },
    },
    rate: { label: `rate; ${(SLOTS * 1000) / LATENCY_MS} is all there is`, unit: '/s' },
    mostInFlight: { label: 'most in flight', unit: '' },
  },
  async *measure(setup) {
    const file = join(setup.folder, 'requests.jsonl');
    await writeChatFile(file, requestsOf(setup));
    for (let run = 0; run < setup.runs; run++) {
      await using data = await makeScratchFolder(setup.folder);
      await using simulator = await MeasuringSimulator.start(SLOTS, LATENCY_MS);
      await using bora = await startServe({ data: data.path, upstream: simulator.url, maxInFlight: SLOTS });
      const uploaded = await bora.client.files.upload({ path: file });
      await downloadResults(bora.client, await createJob(bora.client, uploaded.id, 'simulated-chat'));

      const { requests, firstRequestAt, lastRequestAt, busySlotMsAtLastRequest, maxInFlight } =
        await simulator.stats();
      const ms = (lastRequestAt ?? 0) - (firstRequestAt ?? 0);
      yield {
        busy: busySlotMsAtLastRequest / (SLOTS * ms),
        rate: (requests * 1000) / ms,
        mostInFlight: maxInFlight,
      };
    }
  },
};

function requestsOf({ isQuick }: Setup): number {
  return isQuick ? 10_000 : 100_000;
}
