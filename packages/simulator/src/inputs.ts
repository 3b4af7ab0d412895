import { z } from 'zod';
import { countTokens } from './text.ts';

/** One input: a text, or the tokens of one. */
export type Input = string | readonly number[];

/** What `prompt` and `input` may be: one input, or several. */
export const textsOrTokens = z.union(
  [z.string(), z.array(z.string()).min(1), z.array(z.int()).min(1), z.array(z.array(z.int()).min(1)).min(1)],
  'must be a string, an array of strings, or token ids',
);

export function inputsOf(given: z.infer<typeof textsOrTokens>): readonly Input[] {
  if (typeof given === 'string') return [given];
  return typeof given[0] === 'number' ? [given as number[]] : (given as string[] | number[][]);
}

export function inputTokens(inputs: readonly Input[]): number {
  return inputs.reduce(
    (sum, input) => sum + (typeof input === 'string' ? countTokens(input) : input.length),
    0,
  );
}
