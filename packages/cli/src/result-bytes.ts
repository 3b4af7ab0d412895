import type { BoraClient } from '@bora/client';
import type { BatchJob } from '@bora/protocol/mistral-jobs';

const LINE_BREAK = Uint8Array.of(0x0a);

/** The lines of both result files in input order, with line breaks, as the server holds them. */
export async function* resultBytes(
  client: BoraClient,
  job: BatchJob,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const line of client.jobs.resultLines(job, signal)) {
    yield line.bytes;
    yield LINE_BREAK;
  }
}
