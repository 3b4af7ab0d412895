import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startServe } from '../processes.ts';
import { countLines } from '../whole-batch.ts';
import { openAnsweringUpstream } from './answering-upstream.ts';
import { writeShortRequests } from './request-lines.ts';
import type { MemoryScenario } from './scenario.ts';

const LINES = 10_000_000;
const MAX_IN_FLIGHT = 8;
const CHAT = '/v1/chat/completions';

interface Batch {
  readonly id: string;
  readonly status: string;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly request_counts: { readonly total: number; readonly completed: number };
}

/** What is not answered when a batch of OpenAI's is cancelled gets a line each, so that a cancel may write as much as answers do. */
export const drainedFile: MemoryScenario = {
  name: 'drain',
  about: "10,000,000 lines in a batch of OpenAI's that is cancelled once it runs: a line for each",
  async run({ folder, watch }) {
    const file = join(folder, 'requests.jsonl');
    await writeShortRequests(file, LINES, `"method":"POST","url":"${CHAT}",`, '"model":"stub",');
    await using upstream = await openAnsweringUpstream(100);
    await using bora = await startServe({
      data: join(folder, 'data'),
      upstream: upstream.url,
      maxInFlight: MAX_IN_FLIGHT,
    });
    const { client, url } = bora;
    const memory = watch(bora.started.pid);
    const call = async (path: string, body?: object): Promise<Batch> => {
      const init = {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      };
      const response = await fetch(`${url}/v1/batches${path}`, body === undefined ? {} : init);
      if (!response.ok) throw new Error(await response.text());
      return (await response.json()) as Batch;
    };
    const until = async (id: string, holds: (batch: Batch) => boolean): Promise<Batch> => {
      for (;;) {
        const batch = await call(`/${id}`);
        if (holds(batch)) return batch;
        await setTimeout(200);
      }
    };
    memory.begin('upload');
    const { id: input } = await client.files.upload({ path: file });
    memory.begin('validate');
    const { id } = await call('', { input_file_id: input, endpoint: CHAT, completion_window: '24h' });
    await until(id, ({ request_counts: counts }) => counts.completed > 0);
    memory.begin('drain');
    await call(`/${id}/cancel`, {});
    const batch = await until(id, ({ status }) => status !== 'cancelling');
    memory.begin('download');
    let lines = 0;
    for (const each of [batch.output_file_id, batch.error_file_id]) {
      if (each !== null) lines += await countLines(await client.files.content(each));
    }
    memory.end();
    if (batch.status !== 'cancelled' || lines !== LINES || batch.request_counts.total !== LINES) {
      throw new Error(`${batch.status} with ${lines} lines for ${batch.request_counts.total} requests.`);
    }
  },
};
