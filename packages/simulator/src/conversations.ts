import { z } from 'zod';
import { longest, planChoices, tokenSum, usageOf, writeChoices } from './choices.ts';
import { message, messageTokens } from './messages.ts';
import { badRequest } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import { answerId, createdAt, invalidRequest } from './work.ts';
import type { Work, WorkContext } from './work.ts';

const conversationRequest = z.object({
  model: z.string().nullish(),
  agent_id: z.string().nullish(),
  inputs: z.union([z.string(), z.array(message).min(1)], 'must be a string or an array of entries'),
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  completion_args: z.object({ max_tokens: z.int().min(0).nullish() }).nullish(),
});

/** `POST /v1/conversations`: one message, without any tool. The conversation is not kept, so it cannot be gone on with. */
export function readConversation(body: unknown, context: WorkContext): Work | Refusal {
  const request = conversationRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  const { inputs, instructions, completion_args, stream, agent_id } = request.data;
  if (stream === true) return badRequest('The simulator does not stream. Leave `stream` out.');
  if (agent_id != null)
    return badRequest('The simulator has no agents. Name a `model` in place of `agent_id`.');
  const model = request.data.model ?? context.settings.models[0];

  const entries = typeof inputs === 'string' ? [{ content: inputs }] : inputs;
  const promptTokens = messageTokens([{ content: instructions ?? '' }, ...entries]);
  const choices = planChoices(1, completion_args?.max_tokens ?? null, context);
  const conversationId = answerId('conv', context.random);
  const id = answerId('msg', context.random);
  const created = new Date(createdAt(context.random) * 1000).toISOString();
  return {
    model,
    promptTokens,
    completionTokens: tokenSum(choices),
    longestChoice: longest(choices),
    writeTexts: () => writeChoices(choices, context),
    answerWith: ([content]) => ({
      object: 'conversation.response',
      conversation_id: conversationId,
      outputs: [
        {
          object: 'entry',
          type: 'message.output',
          created_at: created,
          completed_at: created,
          id,
          model,
          role: 'assistant',
          content,
        },
      ],
      usage: { ...usageOf(promptTokens, tokenSum(choices)), connector_tokens: null, connectors: null },
    }),
  };
}
