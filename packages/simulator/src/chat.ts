import { z } from 'zod';
import { generationMembers, longest, planChoices, tokenSum, usageOf, writeChoices } from './choices.ts';
import { message, messageTokens } from './messages.ts';
import { badRequest } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import { answerId, createdAt, invalidRequest } from './work.ts';
import type { Work, WorkContext } from './work.ts';

const chatRequest = z.object({
  ...generationMembers,
  messages: z
    .array(message.required({ role: true }), 'must be an array of messages')
    .min(1, 'must hold at least one message'),
});

/** `POST /v1/chat/completions`, answered as vLLM and Mistral do. The text is prose, whatever tools or `response_format` say. */
export function readChat(body: unknown, context: WorkContext): Work | Refusal {
  const request = chatRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  const { model = context.settings.models[0], messages, stream, n, max_tokens } = request.data;
  if (stream === true) return badRequest('The simulator does not stream. Leave `stream` out.');
  const maxTokens = request.data.max_completion_tokens ?? max_tokens ?? null;

  const plan = { model, promptTokens: messageTokens(messages), count: n ?? 1, maxTokens };
  return answerAsChat('chatcmpl', plan, context);
}

/** What a request asks of whoever answers it with messages. */
export interface ChatPlan {
  readonly model: string;
  readonly promptTokens: number;
  readonly count: number;
  readonly maxTokens: number | null;
}

/** The answer in choices with a message each, as chat and FIM have it. */
export function answerAsChat(
  idPrefix: string,
  { model, promptTokens, count, maxTokens }: ChatPlan,
  context: WorkContext,
): Work {
  const choices = planChoices(count, maxTokens, context);
  const completionTokens = tokenSum(choices);
  const id = answerId(idPrefix, context.random);
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
