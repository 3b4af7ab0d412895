import { usageOf } from '../bytes/read-usage.ts';
import type { Usage } from '../bytes/read-usage.ts';

/** What Bora reads in an answer. It never changes one. */

/** A `usage` object is some 100 to 300 bytes long; beyond this it is not looked at. */
const LONGEST_USAGE_BYTES = 4096;

/**
 * Token counts of the last `usage` object in a piece of an answer; zeros if there is none. Inside a string the quotes would be
 * escaped, so a plain `"usage"` is a member name or a whole string, and only a name is followed by a colon.
 */
export function usageInPiece(piece: Uint8Array): Usage {
  const text = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  for (
    let at = text.lastIndexOf('"usage"');
    at >= 0;
    at = at === 0 ? -1 : text.lastIndexOf('"usage"', at - 1)
  ) {
    const value = text.subarray(at + '"usage"'.length, at + LONGEST_USAGE_BYTES).toString();
    const object = /^\s*:\s*(\{(?:[^{}]|\{[^{}]*\})*\})/.exec(value)?.[1];
    if (object !== undefined) return usageOf(parsed(`{"usage":${object}}`));
  }
  return { inputTokens: 0, outputTokens: 0 };
}

/**
 * Whether every choice of a parsed answer ended with `abort` (vLLM, when a request is evicted) or `error` (seen of a wedged
 * mlx server): status 200, and yet no answer.
 */
export function isAborted(answer: unknown): boolean {
  const choices = member(answer, 'choices');
  if (!Array.isArray(choices) || choices.length === 0) return false;
  return choices.every((choice) => {
    const reason = member(choice, 'finish_reason');
    return reason === 'abort' || reason === 'error';
  });
}

const QUOTA_CODES = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_not_active',
  'account_deactivated',
  'insufficient_credits',
]);

/** Whether an error body says that the account has no quota or credit left, which waiting does not mend. */
export function saysQuotaIsUsedUp(body: unknown): boolean {
  return [body, member(body, 'error')].some(
    (error) =>
      QUOTA_CODES.has(String(member(error, 'code'))) || QUOTA_CODES.has(String(member(error, 'type'))),
  );
}

/** The error's sentence, in any of the shapes that servers use; null if there is none. */
export function errorMessage(body: unknown): string | null {
  const error = member(body, 'error');
  for (const message of [member(error, 'message'), error, member(body, 'message'), member(body, 'detail')]) {
    if (typeof message === 'string' && message !== '') return message;
  }
  return null;
}

/** The value of a JSON text, or undefined if it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
