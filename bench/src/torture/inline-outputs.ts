import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isComplete } from '@bora/client/wait';
import type { BoraClient } from '@bora/client';
import { startServe } from '../processes.ts';
import { openAnsweringUpstream } from './answering-upstream.ts';
import { shortRequest } from './request-lines.ts';
import type { MemoryScenario } from './scenario.ts';

const REQUESTS = 10_000;
/** Below what goes to a blob of its own, so that all of it passes through the journal. */
const ANSWER_BYTES = 200 * 1024;
const MAX_IN_FLIGHT = 256;

/** An inline job shows its results in `outputs` of one answer, however large they are together. */
export const inlineOutputs: MemoryScenario = {
  name: 'inline',
  about: '10,000 inline requests whose outputs are 2 GB in one answer',
  async run({ folder, watch }) {
    await using upstream = await openAnsweringUpstream(ANSWER_BYTES);
    await using bora = await startServe({
      data: join(folder, 'data'),
      upstream: upstream.url,
      maxInFlight: MAX_IN_FLIGHT,
    });
    const memory = watch(bora.started.pid);
    memory.begin('create');
    const job = await createInline(bora.client);
    memory.begin('answers');
    while (!isComplete(await bora.client.jobs.get(job.id, { inline: false }))) await setTimeout(200);
    memory.begin('outputs');
    const bytes = await countBytes(`${bora.url}/v1/batch/jobs/${job.id}`);
    memory.end();
    if (bytes < REQUESTS * ANSWER_BYTES) throw new Error(`The outputs had ${bytes} bytes.`);
  },
};

async function createInline(client: BoraClient): Promise<{ readonly id: string }> {
  const requests = Array.from(
    { length: REQUESTS },
    (_, at) => JSON.parse(shortRequest(at)) as { body: Record<string, unknown> },
  );
  return client.jobs.create({ endpoint: '/v1/chat/completions', model: 'stub', requests });
}

async function countBytes(url: string): Promise<number> {
  const response = await fetch(url);
  let bytes = 0;
  for await (const chunk of response.body ?? []) bytes += chunk.length;
  return bytes;
}
