import type { BoraClient } from '@bora/client';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { progressOf } from './job-report.ts';
import type { Output } from './output.ts';
import { Progress } from './progress.ts';

/** Often enough for a line that moves, at a cost nobody notices. */
const LOOK_EVERY_MS = 250;

/** Waits for the job's end and shows its progress on stderr (not with `--json`). */
export async function watchJob(
  client: BoraClient,
  jobId: string,
  output: Output,
  signal: AbortSignal,
): Promise<BatchJob> {
  const progress = new Progress(process.stderr, () => performance.now());
  try {
    return await client.jobs.waitUntilComplete(jobId, {
      intervalMs: LOOK_EVERY_MS,
      signal,
      onProgress: (job) => {
        if (!output.json) progress.show(progressOf(job));
      },
    });
  } finally {
    if (!output.json) progress.clear();
  }
}
