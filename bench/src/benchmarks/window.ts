import { join } from 'node:path';
import type { Benchmark, Setup } from '../benchmark.ts';
import { startServe } from '../processes.ts';
import { writeChatFile } from '../request-file.ts';
import { makeScratchFolder } from '../scratch-folder.ts';
import { MeasuringSimulator } from '../simulator-stats.ts';
import { createJob, downloadResults } from '../whole-batch.ts';

const SLOTS = 256;
const LATENCY_MS = 50;
/** An eighth more than the slots: the server holds what comes early, as vLLM does, so that no slot waits for a request to travel. */
const WINDOW = SLOTS + SLOTS / 8;

/**
 * Whether the machine behind is kept busy, which is what batch inference is for. The simulator works on 256 requests at once, 50 ms
 * each, and lets what comes beyond them wait. Bora's window is larger than the slots by an eighth. The
 * simulator itself adds up how long its slots were busy.
 *
 * With a window of 256 each slot is empty while its answer travels and the next request does: 0.94 to 0.96 busy, and no more for
 * a bare client that does nothing else (docs/performance.md).
 *
 * The limit: 5 % of 50 ms are 2.5 ms.
 */
export const window: Benchmark<'busy' | 'rate' | 'mostInFlight'> = {
  name: 'window',
  question: 'How full is an inference server kept?',
  configuration: (setup) =>
    `${requestsOf(setup)} requests, ${SLOTS} slots of ${LATENCY_MS} ms, window ${WINDOW}`,
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
      await using bora = await startServe({ data: data.path, upstream: simulator.url, maxInFlight: WINDOW });
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
