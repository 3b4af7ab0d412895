import type { FastifyRequest } from 'fastify';
import type { Dialect } from '../storage/ports/batch-records.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set where the body of a call tells more than `dialectOf` can see. */
    dialect?: Dialect;
  }
}

/**
 * Whose API a call is written for. Some paths are of one alone, with `/v1` or where it was forgotten; the others both have, and there the
 * headers tell that OpenAI's SDKs send with each call (measured), and Azure's, its paths, or a parameter that only OpenAI's has.
 */
export function dialectOf({
  url,
  originalUrl,
  headers,
  dialect,
}: Pick<FastifyRequest, 'url' | 'originalUrl' | 'headers' | 'dialect'>): Dialect {
  if (dialect !== undefined) return dialect;
  if (/^(\/v1)?\/(batches|uploads)(?=[/?]|$)/.test(url) || /^\/+openai\//.test(originalUrl)) return 'openai';
  if (isOfMistralAlone(url)) return 'mistral';
  if (
    /^\/v1\/files\?(.*&)?(after=|limit=|order=|purpose=(batch_output|assistants|vision|user_data|evals)(&|$))/.test(
      url,
    )
  )
    return 'openai';
  const isOpenAi = Object.keys(headers).some(
    (name) => name.startsWith('x-stainless-') || name.startsWith('openai-') || name === 'api-key',
  );
  return isOpenAi ? 'openai' : 'mistral';
}

/** Whether only clients of Mistral's call the path. */
export function isOfMistralAlone(url: string): boolean {
  return /^\/v1\/batch(?=[/?]|$)/.test(url);
}
