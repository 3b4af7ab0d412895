import { z } from 'zod';
import { sample } from './distribution.ts';
import { SETTINGS } from './settings.ts';
import { writeText } from './text.ts';
import type { WorkContext } from './work.ts';

/** Members that decide how much is generated, alike in chat and completions. */
export const generationMembers = {
  model: z.string().optional(),
  stream: z.boolean().nullish(),
  n: z.int().min(1).max(16).nullish(),
  max_tokens: z.int().min(0).nullish(),
  max_completion_tokens: z.int().min(0).nullish(),
};

/** One answer to be written: its length, and whether it ended by itself. */
export interface Choice {
  readonly tokens: number;
  readonly finishReason: 'stop' | 'length';
}

export function planChoices(count: number, maxTokens: number | null, context: WorkContext): Choice[] {
  const { settings, random } = context;
  return Array.from({ length: count }, () => {
    // A lognormal distribution has no end, memory has.
    const wanted = Math.min(Math.round(sample(settings.outputTokens, random)), SETTINGS.outputTokens.max);
    return maxTokens !== null && wanted > maxTokens
      ? { tokens: maxTokens, finishReason: 'length' }
      : { tokens: wanted, finishReason: 'stop' };
  });
}

export function tokenSum(choices: readonly Choice[]): number {
  return choices.reduce((sum, { tokens }) => sum + tokens, 0);
}

export function longest(choices: readonly Choice[]): number {
  return choices.reduce((most, { tokens }) => Math.max(most, tokens), 0);
}

export function writeChoices(choices: readonly Choice[], context: WorkContext): string[] {
  return choices.map(({ tokens }) => writeText(tokens, context.random));
}

export function usageOf(promptTokens: number, completionTokens: number): Record<string, number> {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
  };
}
