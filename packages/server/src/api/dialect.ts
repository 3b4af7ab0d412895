import type { FastifyRequest } from 'fastify';
import type { Dialect } from '../storage/ports/batch-records.ts';

/**
 * Whose API a call is written for. Some paths are of one alone; the others both have, and there the headers tell that OpenAI's SDKs send
 * with each call (measured), and Azure's.
 */
export function dialectOf({ url, headers }: Pick<FastifyRequest, 'url' | 'headers'>): Dialect {
  if (/^\/v1\/(batches|uploads)(?=[/?]|$)/.test(url)) return 'openai';
  if (/^\/v1\/batch(?=[/?]|$)/.test(url)) return 'mistral';
  const isOpenAi = Object.keys(headers).some(
    (name) => name.startsWith('x-stainless-') || name.startsWith('openai-') || name === 'api-key',
  );
  return isOpenAi ? 'openai' : 'mistral';
}
