import { isKey, JsonScanError, membersOf } from './json-scan.ts';

/** Tokens that an answer says it cost; 0 where it does not say. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/**
 * Finds the top-level `usage` of an answer (the last, as for `JSON.parse`) without building the rest of it. Knows the
 * names of chat and completions (`prompt_tokens`, `completion_tokens`) and of responses (`input_tokens`, `output_tokens`).
 * Of anything but an object it finds nothing.
 */
export function readUsage(answer: Uint8Array): Usage {
  const usage = valueOf(answer);
  return {
    inputTokens: tokens(usage['prompt_tokens'] ?? usage['input_tokens']),
    outputTokens: tokens(usage['completion_tokens'] ?? usage['output_tokens']),
  };
}

function valueOf(answer: Uint8Array): Record<string, unknown> {
  let found: Uint8Array | null = null;
  try {
    for (const member of membersOf(answer)) {
      if (isKey(answer, member, 'usage')) found = answer.subarray(member.valueStart, member.valueEnd);
    }
    if (found === null) return {};
    const usage = JSON.parse(Buffer.from(found).toString()) as Record<string, unknown> | null;
    return usage ?? {};
  } catch (error) {
    if (error instanceof JsonScanError || error instanceof SyntaxError) return {};
    throw error;
  }
}

function tokens(count: unknown): number {
  return Number.isSafeInteger(count) && (count as number) >= 0 ? (count as number) : 0;
}
