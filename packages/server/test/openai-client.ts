import { setTimeout as sleep } from 'node:timers/promises';
import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import type { OpenAiResultLine } from '@bora/protocol/openai-lines';
import type { WholeBora } from '@bora/testkit/whole-bora';
import OpenAI, { toFile } from 'openai';

/** The official client, which reads `/v1` from its base URL and tries nothing again. */
export function openAiClient({ url }: Pick<WholeBora, 'url'>, Client = OpenAI): OpenAI {
  return new Client({ baseURL: `${url}/v1`, apiKey: 'unused', maxRetries: 0 });
}

export function chatLine(custom_id: string, content: string, model = 'small'): object {
  return {
    custom_id,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model, messages: [{ role: 'user', content }] },
  };
}

export async function uploadLines(
  client: OpenAI,
  lines: readonly (object | string)[],
): Promise<OpenAI.FileObject> {
  const text = lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');
  return client.files.create({ file: await toFile(Buffer.from(text), 'in.jsonl'), purpose: 'batch' });
}

/** Polls until the batch has ended. */
export async function ended(client: OpenAI, batchId: string): Promise<OpenAiBatch> {
  for (;;) {
    const batch = await client.batches.retrieve(batchId);
    if (['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) return batch as OpenAiBatch;
    await sleep(20);
  }
}

export async function linesOf(client: OpenAI, fileId: string): Promise<OpenAiResultLine[]> {
  const text = await (await client.files.content(fileId)).text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OpenAiResultLine);
}
