import type { BoraClient } from '@bora/client';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { ScriptedAnswer, ScriptedRequest } from '../scripted-upstream.ts';
import { chatAnswer } from '../scripted-upstream.ts';

/** Two shards of sixteen. */
export const REQUESTS = 32;
export const MODEL = 'm';
const LARGE_ANSWER_MS = 25;

/**
 * The input: of 2 KiB each, so that the file is an object. Of each shard one answer is large enough for an object of its own, one
 * request fails, and the others together are more than a database row holds.
 */
export const INPUT = Array.from(
  { length: REQUESTS },
  (_, ordinal) =>
    `${JSON.stringify({ custom_id: customId(ordinal), body: { messages: [{ role: 'user', content: `${ordinal} ${'?'.repeat(2_000)}` }] } })}\n`,
).join('');

function customId(ordinal: number): string {
  return `request-${ordinal}`;
}

export function ordinalOf({ body }: ScriptedRequest): number {
  const [message] = body['messages'] as readonly { readonly content: string }[];
  return Number.parseInt(message?.content ?? '', 10);
}

function isFailing(ordinal: number): boolean {
  return ordinal % 16 === 7;
}

/** What the answer to a request says. */
function textFor(ordinal: number): string {
  return `${ordinal} `.repeat(isLarge(ordinal) ? 100_000 : 4_000);
}

function isLarge(ordinal: number): boolean {
  return ordinal % 16 === 3;
}

export async function answerOf(request: ScriptedRequest): Promise<ScriptedAnswer> {
  const ordinal = ordinalOf(request);
  // The others are journaled by then, and folded.
  if (isLarge(ordinal)) await new Promise((resolve) => setTimeout(resolve, LARGE_ANSWER_MS));
  if (isFailing(ordinal)) return { status: 400, body: { error: { message: 'no' } } };
  return chatAnswer(MODEL, textFor(ordinal));
}

export function createJob(client: BoraClient, fileId: string): Promise<BatchJob> {
  return client.jobs.create({ input_files: [fileId], endpoint: '/v1/chat/completions', model: MODEL });
}

/** What is wrong with an ended job: one line per request, in input order, with the bytes that were answered; counts equal lines. */
export async function wrongResults(client: BoraClient, job: BatchJob): Promise<string[]> {
  const wrong: string[] = [];
  let ordinal = 0;
  for await (const outcome of client.jobs.results(job)) {
    if (outcome.customId !== customId(ordinal)) wrong.push(`Line ${ordinal} is of ${outcome.customId}.`);
    const isRight = isFailing(ordinal)
      ? outcome.kind === 'failed'
      : outcome.kind === 'succeeded' && JSON.stringify(outcome.body).includes(`"${textFor(ordinal)}"`);
    if (!isRight) wrong.push(`The line of request ${ordinal} is not what was answered.`);
    ordinal += 1;
  }
  if (ordinal !== REQUESTS) wrong.push(`${ordinal} lines of ${REQUESTS} requests.`);
  if (job.status !== 'SUCCESS') wrong.push(`The job ended as ${job.status}.`);
  const failing = Array.from({ length: REQUESTS }, (_, at) => at).filter(isFailing).length;
  if (job.succeeded_requests !== REQUESTS - failing || job.failed_requests !== failing) {
    wrong.push(`Counts say ${job.succeeded_requests} and ${job.failed_requests}.`);
  }
  return wrong;
}
