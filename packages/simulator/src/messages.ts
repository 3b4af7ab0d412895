import { z } from 'zod';
import { countTokens } from './text.ts';

const textPart = z.object({ text: z.string().optional() });

/** A message of a chat, or an entry of a conversation. */
export const message = z.object({
  role: z.string().optional(),
  content: z.union([z.string(), z.array(textPart)]).nullish(),
});
export type Message = z.infer<typeof message>;

/** What a chat template adds to each message. */
const TOKENS_PER_MESSAGE = 4;

export function messageTokens(messages: readonly Message[]): number {
  return messages.reduce((sum, one) => sum + TOKENS_PER_MESSAGE + countTokens(textOf(one)), 0);
}

/** All its text, whatever stands between the parts of it. */
export function textOf({ content }: Message): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map(({ text }) => text ?? '').join('');
}
