import { join } from 'node:path';
import type { BoraClient } from '@bora/client';
import { textOf } from '@bora/client/answers';
import type { AnswerOf, ClassificationAnswer, ModerationAnswer } from '@bora/client/answers';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { renderTable } from '../packages/cli/src/table.ts';

interface SmallJob {
  readonly endpoint: BatchEndpoint;
  /** Its input beside this file, without `.jsonl`. */
  readonly example: string;
  readonly model: string;
  /** What to show of an answer of this endpoint. */
  glance(answer: AnswerOf[BatchEndpoint]): string;
}

/** The endpoints beside chat and embeddings. */
export const SMALL_JOBS: readonly SmallJob[] = [
  {
    endpoint: '/v1/fim/completions',
    example: 'fim',
    model: 'simulated-code',
    glance: textOf,
  },
  { endpoint: '/v1/moderations', example: 'moderations', model: 'simulated-moderation', glance: topCategory },
  {
    endpoint: '/v1/chat/moderations',
    example: 'chat-moderations',
    model: 'simulated-moderation',
    glance: topCategory,
  },
  {
    endpoint: '/v1/classifications',
    example: 'classifications',
    model: 'simulated-classifier',
    glance: topLabels,
  },
  {
    endpoint: '/v1/chat/classifications',
    example: 'chat-classifications',
    model: 'simulated-classifier',
    glance: topLabels,
  },
  {
    endpoint: '/v1/ocr',
    example: 'ocr',
    model: 'simulated-ocr',
    glance: textOf,
  },
  {
    endpoint: '/v1/conversations',
    example: 'conversations',
    model: 'simulated-chat',
    glance: textOf,
  },
  {
    endpoint: '/v1/audio/transcriptions',
    example: 'transcriptions',
    model: 'simulated-voice',
    glance: textOf,
  },
];

/** Runs them all at once, and answers with the jobs as they ended. */
export function runSmallJobs(client: BoraClient, signal: AbortSignal): Promise<BatchJob[]> {
  return Promise.all(
    SMALL_JOBS.map(async ({ endpoint, example, model }) => {
      const path = join(import.meta.dirname, `${example}.jsonl`);
      const file = await client.files.upload({ path }, {}, signal);
      const { id } = await client.jobs.create({ input_files: [file.id], endpoint, model }, signal);
      return client.jobs.waitUntilComplete(id, { intervalMs: 100, signal });
    }),
  );
}

/** The first answer of each job, in a line. */
export async function glanceTable(
  client: BoraClient,
  jobs: readonly BatchJob[],
  signal: AbortSignal,
): Promise<string> {
  const rows = await Promise.all(
    jobs.map(async (job, at) => {
      for await (const outcome of client.jobs.results<AnswerOf[BatchEndpoint]>(job, signal)) {
        const shown =
          outcome.kind === 'succeeded'
            ? SMALL_JOBS[at].glance(outcome.body).replace(/\s+/g, ' ')
            : `failed: ${outcome.error.message}`;
        return [job.endpoint, outcome.customId ?? '', shown];
      }
      return [job.endpoint, '', 'no answer'];
    }),
  );
  return renderTable(
    [{ title: 'endpoint' }, { title: 'request' }, { title: 'answer (simulated)', maxWidth: 60 }],
    rows,
  );
}

/** For example `health 0.04`. */
function topCategory({ results }: ModerationAnswer): string {
  return top(results[0].category_scores);
}

/** For example `sentiment: positive 0.72, topic: delivery 0.41`. */
function topLabels({ results }: ClassificationAnswer): string {
  return Object.entries(results[0])
    .map(([target, { scores }]) => `${target}: ${top(scores)}`)
    .join(', ');
}

function top(scores: Readonly<Record<string, number>>): string {
  const [name, score] = Object.entries(scores).toSorted(([, a], [, b]) => b - a)[0];
  return `${name} ${score.toFixed(2)}`;
}
