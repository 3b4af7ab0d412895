import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { ApiError, invalidMember } from './errors.ts';
import { validate } from './validation.ts';

/** Far above any body that is no list of requests. */
const MAX_BYTES = 64 * 1024;

/**
 * Reads and checks a small JSON body. Whoever stops early leaves the rest to be dropped, so that the client sees the answer.
 * @throws ApiError 413, 422
 */
export async function readJsonBody<S extends z.ZodType>(
  request: IncomingMessage,
  schema: S,
): Promise<z.output<S>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BYTES)
        throw new ApiError('body_too_large', `The body is larger than ${MAX_BYTES} bytes.`);
      chunks.push(chunk);
    }
  } finally {
    request.resume();
  }
  return validate(schema, parse(Buffer.concat(chunks).toString()), 'body');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch (error) {
    throw invalidMember(
      ['body'],
      `JSON decode error: ${(error as Error).message}`,
      'json_invalid',
      'invalid_json',
    );
  }
}
