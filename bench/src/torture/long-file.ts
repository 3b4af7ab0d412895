import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startServe } from '../processes.ts';
import { createJob, downloadResults } from '../whole-batch.ts';
import { openAnsweringUpstream } from './answering-upstream.ts';
import { writeShortRequests } from './request-lines.ts';
import type { MemoryScenario } from './scenario.ts';

const LINES = 10_000_000;
/** Of the short way: a part that is large beside what may be in flight or wait for the journal. */
const PART = 200_000;
const MAX_IN_FLIGHT = 256;

/** Nothing may grow with the number of lines but 12 bytes for every 16 of them, and the database's rows of 10,000 shards. */
export const longFile: MemoryScenario = {
  name: 'lines',
  about: `10,000,000 lines with an id each: upload, plan, ${PART} requests (with --whole all, and the download)`,
  async run({ folder, isWhole, watch }) {
    const file = join(folder, 'requests.jsonl');
    await writeShortRequests(file, LINES);
    await using upstream = await openAnsweringUpstream(100);
    await using bora = await startServe({
      data: join(folder, 'data'),
      upstream: upstream.url,
      maxInFlight: MAX_IN_FLIGHT,
    });
    const { client } = bora;
    const memory = watch(bora.started.pid);
    memory.begin('upload');
    const { id, num_lines: lines } = await client.files.upload({ path: file });
    if (lines !== LINES) throw new Error(`The upload counted ${lines} lines.`);

    memory.begin('plan');
    const job = await createJob(client, id, 'stub');
    const completes = async (count: number): Promise<void> => {
      while ((await client.jobs.get(job)).completed_requests < count) await setTimeout(200);
    };
    await completes(1);
    memory.begin('dispatch');
    await completes(isWhole ? LINES : PART);
    if (isWhole) {
      memory.begin('download');
      await downloadResults(client, job);
    } else {
      memory.begin('cancel');
      await client.jobs.cancel(job);
      await client.jobs.waitUntilComplete(job, { intervalMs: 500 });
    }
    memory.end();
  },
};
