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

export function customId(ordinal: number): string {
  return `request-${ordinal}`;
}

export function ordinalOf({ body }: ScriptedRequest): number {
  const [message] = body['messages'] as readonly { readonly content: string }[];
  return Number.parseInt(message?.content ?? '', 10);
}

export function isFailing(ordinal: number): boolean {
  return ordinal % 16 === 7;
}

/** What the answer to a request says. */
export function textFor(ordinal: number): string {
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
