import { join } from 'node:path';
import { startServe } from '../processes.ts';
import { createJob, downloadResults } from '../whole-batch.ts';
import { openAnsweringUpstream } from './answering-upstream.ts';
import { writeShortRequests } from './request-lines.ts';
import type { MemoryScenario } from './scenario.ts';

const REQUESTS = 128;
const ANSWER_BYTES = 20 * 1024 * 1024;

/** All of them are under way together: 2.6 GB that must pass through. */
export const largeAnswers: MemoryScenario = {
  name: 'answers',
  about: '128 answers of 20 MB at once',
  async run({ folder, watch }) {
    const file = join(folder, 'requests.jsonl');
    await writeShortRequests(file, REQUESTS);
    await using upstream = await openAnsweringUpstream(ANSWER_BYTES, REQUESTS);
    await using bora = await startServe({
      data: join(folder, 'data'),
      upstream: upstream.url,
      maxInFlight: REQUESTS,
    });
    const memory = watch(bora.started.pid);
    const { id } = await bora.client.files.upload({ path: file });
    memory.begin('answers');
    const job = await createJob(bora.client, id, 'stub');
    await bora.client.jobs.waitUntilComplete(job, { intervalMs: 100 });
    memory.begin('download');
    await downloadResults(bora.client, job);
    memory.end();
  },
};
