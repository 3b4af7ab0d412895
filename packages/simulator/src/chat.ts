import { z } from 'zod';
import { generationMembers, longest, planChoices, tokenSum, usageOf, writeChoices } from './choices.ts';
import { badRequest } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import { countTokens } from './text.ts';
import { answerId, createdAt, invalidRequest } from './work.ts';
import type { Work, WorkContext } from './work.ts';

const textPart = z.object({ text: z.string().optional() });
const chatRequest = z.object({
  ...generationMembers,
  messages: z
    .array(
      z.object({ role: z.string(), content: z.union([z.string(), z.array(textPart)]).nullish() }),
      'must be an array of messages',
    )
    .min(1, 'must hold at least one message'),
});

/** What a chat template adds to each message. */
const TOKENS_PER_MESSAGE = 4;

/** `POST /v1/chat/completions`, answered as vLLM and Mistral do. The text is prose, whatever tools or `response_format` say. */
export function readChat(body: unknown, context: WorkContext): Work | Refusal {
  const request = chatRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  const { model = context.settings.models[0], messages, stream, n, max_tokens } = request.data;
  if (stream === true) return badRequest('The simulator does not stream. Leave `stream` out.');
  const maxTokens = request.data.max_completion_tokens ?? max_tokens ?? null;

  let promptTokens = 0;
  for (const { content } of messages) {
    const parts = typeof content === 'string' ? [{ text: content }] : (content ?? []);
    promptTokens += TOKENS_PER_MESSAGE;
    for (const { text } of parts) promptTokens += countTokens(text ?? '');
  }
  const choices = planChoices(n ?? 1, maxTokens, context);
  const completionTokens = tokenSum(choices);
  const id = answerId('chatcmpl', context.random);
  const created = createdAt(context.random);
  return {
    model,
    promptTokens,
    completionTokens,
    longestChoice: longest(choices),
    writeTexts: () => writeChoices(choices, context),
    answerWith: (texts) => ({
      id,
      object: 'chat.completion',
      created,
      model,
      choices: choices.map(({ finishReason }, index) => ({
        index,
        message: { role: 'assistant', content: texts[index], tool_calls: null },
        logprobs: null,
        finish_reason: finishReason,
      })),
      usage: usageOf(promptTokens, completionTokens),
    }),
  };
}
