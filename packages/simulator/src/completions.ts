import { z } from 'zod';
import { generationMembers, longest, planChoices, tokenSum, usageOf, writeChoices } from './choices.ts';
import { badRequest } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import { inputsOf, inputTokens, textsOrTokens } from './inputs.ts';
import { answerId, createdAt, invalidRequest } from './work.ts';
import type { Work, WorkContext } from './work.ts';

const completionRequest = z.object({ ...generationMembers, prompt: textsOrTokens });

/** `POST /v1/completions`: `n` choices for each prompt, in the order of the prompts. */
export function readCompletion(body: unknown, context: WorkContext): Work | Refusal {
  const request = completionRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  const { model = context.settings.models[0], prompt, stream, n, max_tokens } = request.data;
  if (stream === true) return badRequest('The simulator does not stream. Leave `stream` out.');

  const prompts = inputsOf(prompt);
  const promptTokens = inputTokens(prompts);
  const choices = planChoices(prompts.length * (n ?? 1), max_tokens ?? null, context);
  const completionTokens = tokenSum(choices);
  const id = answerId('cmpl', context.random);
  const created = createdAt(context.random);
  return {
    model,
    promptTokens,
    completionTokens,
    longestChoice: longest(choices),
    writeTexts: () => writeChoices(choices, context),
    answerWith: (texts) => ({
      id,
      object: 'text_completion',
      created,
      model,
      choices: choices.map(({ finishReason }, index) => ({
        index,
        text: texts[index],
        logprobs: null,
        finish_reason: finishReason,
      })),
      usage: usageOf(promptTokens, completionTokens),
    }),
  };
}
