import { z } from 'zod';
import { answerAsChat } from './chat.ts';
import { generationMembers } from './choices.ts';
import { badRequest } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import { countTokens } from './text.ts';
import { invalidRequest } from './work.ts';
import type { Work, WorkContext } from './work.ts';

const fimRequest = z.object({ ...generationMembers, prompt: z.string(), suffix: z.string().nullish() });

/** `POST /v1/fim/completions`: what stands between a prompt and a suffix. Mistral answers it as a chat of one message. */
export function readFim(body: unknown, context: WorkContext): Work | Refusal {
  const request = fimRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  const { model = context.settings.models[0], prompt, suffix, stream, n, max_tokens } = request.data;
  if (stream === true) return badRequest('The simulator does not stream. Leave `stream` out.');
  const promptTokens = countTokens(prompt) + countTokens(suffix ?? '');
  return answerAsChat(
    'fimcmpl',
    { model, promptTokens, count: n ?? 1, maxTokens: max_tokens ?? null },
    context,
  );
}
