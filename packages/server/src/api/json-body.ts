import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { ApiError, invalidMember } from './errors.ts';
import { validate } from './validation.ts';

/** Far above any body that is no list. */
const MAX_BYTES = 64 * 1024;

/**
 * Reads and checks a small JSON body.
 * @throws ApiError 413, 422
 */
export async function readJsonBody<S extends z.ZodType>(
  request: IncomingMessage,
  schema: S,
): Promise<z.output<S>> {
  return validate(schema, await readJson(request), 'body');
}

/**
 * Reads a small JSON body that must be an object.
 * @throws ApiError 413, 422
 */
export async function readJsonObject(
  request: IncomingMessage,
  maxBytes = MAX_BYTES,
): Promise<Record<string, unknown>> {
  return validate(z.record(z.string(), z.unknown()), await readJson(request, maxBytes), 'body');
}

/** Whoever stops early leaves the rest to be dropped, so that the client sees the answer. */
async function readJson(request: IncomingMessage, maxBytes = MAX_BYTES): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes)
        throw new ApiError('body_too_large', `The body is larger than ${maxBytes} bytes.`);
      chunks.push(chunk);
    }
  } finally {
    request.resume();
  }
  return parse(Buffer.concat(chunks).toString());
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
