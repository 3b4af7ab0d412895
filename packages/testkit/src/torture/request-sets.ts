import { createHash } from 'node:crypto';

/** Requests that are written down in a few numbers: an uploaded file of them, or those inside a create call. */
export interface RequestSet {
  /** No other set has it, so no other set has one of its bodies. */
  readonly nonce: string;
  readonly lines: number;
  /** Bytes that make each body longer. */
  readonly padding: number;
  /** As the lines of an OpenAI batch name it; null: the job does. */
  readonly model: string | null;
  /** Every sixth answer is one that goes to a blob of its own. */
  readonly hasLargeAnswers: boolean;
}

export const ENDPOINT = '/v1/chat/completions';
const SMALL_TOKENS = 12;
/** About 400 KB. */
const LARGE_TOKENS = 80_000;

export function customIdOf({ nonce }: RequestSet, line: number): string {
  return `${nonce}:${line}`;
}

/** As the line of a file, or the element of inline requests, has it. */
export function bodyOf(set: RequestSet, line: number): string {
  const content = `${customIdOf(set, line)} ${'.'.repeat(set.padding)}`;
  const maxTokens = set.hasLargeAnswers && line % 6 === 0 ? LARGE_TOKENS : SMALL_TOKENS;
  return JSON.stringify({ messages: [{ role: 'user', content }], max_tokens: maxTokens });
}

/** As it must arrive upstream, byte for byte: the job's model is spliced in as its first member. */
export function sentBodyOf(set: RequestSet, line: number, model: string): string {
  return bodyOf(set, line).replace('{', `{"model":"${model}",`);
}

export function contentOf(set: RequestSet): string {
  const line = (at: number): string =>
    set.model === null
      ? `{"custom_id":"${customIdOf(set, at)}","body":${bodyOf(set, at)}}\n`
      : `{"custom_id":"${customIdOf(set, at)}","method":"POST","url":"${ENDPOINT}","body":${sentBodyOf(set, at, set.model)}}\n`;
  return Array.from({ length: set.lines }, (_, at) => line(at)).join('');
}

/** The place of a job's request in its sets, which follow one another. */
export function requestAt(sets: readonly RequestSet[], ordinal: number): { set: RequestSet; line: number } {
  let first = 0;
  for (const set of sets) {
    if (ordinal < first + set.lines) return { set, line: ordinal - first };
    first += set.lines;
  }
  throw new RangeError(`The job has no request ${ordinal}.`);
}

export function fingerprint(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
