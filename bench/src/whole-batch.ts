import type { BoraClient } from '@bora/client';

const LOOK_EVERY_MS = 50;

/** Creates a chat job and answers its id. */
export async function createJob(client: BoraClient, fileId: string, model: string): Promise<string> {
  const job = await client.jobs.create({ endpoint: '/v1/chat/completions', model, input_files: [fileId] });
  return job.id;
}

/**
 * Waits for the job and downloads its results, to the last byte.
 * @throws Error if there is not one line in the output for each request: a fast wrong answer is no figure.
 */
export async function downloadResults(
  client: BoraClient,
  jobId: string,
  onProgress: (job: { readonly completed_requests: number }) => void = () => {},
): Promise<void> {
  const job = await client.jobs.waitUntilComplete(jobId, { intervalMs: LOOK_EVERY_MS, onProgress });
  const lines = job.output_file === null ? 0 : await countLines(await client.files.content(job.output_file));
  if (job.status !== 'SUCCESS' || lines !== job.total_requests) {
    throw new Error(`${job.status} with ${lines} output lines for ${job.total_requests} requests.`);
  }
}

/** Lines of what is streamed, none of it kept. */
export async function countLines(content: ReadableStream<Uint8Array>): Promise<number> {
  let lines = 0;
  for await (const chunk of content) {
    for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, at + 1)) lines += 1;
  }
  return lines;
}
