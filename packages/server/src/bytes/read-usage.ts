/** Tokens that an answer says it cost; 0 where it does not say. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the input, what the upstream had in its prefix cache. Absent: 0. */
  readonly cachedTokens?: number;
  /** Of the output, what is no part of the text. Absent: 0. */
  readonly reasoningTokens?: number;
}

/**
 * The `usage` of a parsed answer. Knows the names of chat and completions (`prompt_tokens`, `completion_tokens`) and of
 * responses (`input_tokens`, `output_tokens`). Of anything but an object it finds nothing.
 */
export function usageOf(answer: unknown): Usage {
  const usage =
    (answer as { readonly usage?: Record<string, unknown> | null } | null | undefined)?.usage ?? {};
  const cached = detail(usage['prompt_tokens_details'] ?? usage['input_tokens_details'], 'cached_tokens');
  const reasoning = detail(
    usage['completion_tokens_details'] ?? usage['output_tokens_details'],
    'reasoning_tokens',
  );
  return {
    inputTokens: tokens(usage['prompt_tokens'] ?? usage['input_tokens']),
    outputTokens: tokens(usage['completion_tokens'] ?? usage['output_tokens']),
    ...(cached > 0 ? { cachedTokens: cached } : {}),
    ...(reasoning > 0 ? { reasoningTokens: reasoning } : {}),
  };
}

function detail(details: unknown, name: string): number {
  return tokens((details as Record<string, unknown> | null | undefined)?.[name]);
}

function tokens(count: unknown): number {
  return Number.isSafeInteger(count) && (count as number) >= 0 ? (count as number) : 0;
}
