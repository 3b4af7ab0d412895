/** Tokens that an answer says it cost; 0 where it does not say. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/**
 * The `usage` of a parsed answer. Knows the names of chat and completions (`prompt_tokens`, `completion_tokens`) and of
 * responses (`input_tokens`, `output_tokens`). Of anything but an object it finds nothing.
 */
export function usageOf(answer: unknown): Usage {
  const usage =
    (answer as { readonly usage?: Record<string, unknown> | null } | null | undefined)?.usage ?? {};
  return {
    inputTokens: tokens(usage['prompt_tokens'] ?? usage['input_tokens']),
    outputTokens: tokens(usage['completion_tokens'] ?? usage['output_tokens']),
  };
}

function tokens(count: unknown): number {
  return Number.isSafeInteger(count) && (count as number) >= 0 ? (count as number) : 0;
}
