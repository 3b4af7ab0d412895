import type { IncomingMessage } from 'node:http';
import { MAX_INLINE_REQUESTS } from '@bora/protocol/mistral-jobs';
import { CreateBodyError, InlineCutter } from '../../bytes/inline-cutter.ts';
import type { CutBody } from '../../bytes/inline-cutter.ts';
import type { CallMemory } from '../call-memory.ts';
import { ApiError, invalidMember } from '../errors.ts';

const LINE_BREAK = Buffer.from('\n');

export interface CreateBodyLimits {
  readonly maxCreateBytes: number;
  readonly maxLineBytes: number;
}

/**
 * The body of a create call as it streams in: yields each inline request as a line of a batch file, and returns the other
 * members. Holds one request at most. Whoever stops early leaves the rest of the body to be dropped, so that the client sees the answer.
 * @throws ApiError 413, 422, 503
 */
export async function* readCreateBody(
  request: IncomingMessage,
  limits: CreateBodyLimits,
  memory: CallMemory,
): AsyncGenerator<Uint8Array, CutBody> {
  using held = memory.hold();
  const cutter = new InlineCutter(limits.maxLineBytes);
  let bytes = 0;
  let requests = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > limits.maxCreateBytes) throw tooLarge(limits.maxCreateBytes);
      for (const element of cutter.push(chunk)) {
        requests += 1;
        if (requests > MAX_INLINE_REQUESTS) throw tooMany();
        yield Buffer.concat([element, LINE_BREAK]);
      }
      await held.resize(cutter.heldBytes);
    }
    return cutter.finish();
  } catch (error) {
    throw error instanceof CreateBodyError ? refusalOf(error) : error;
  } finally {
    request.resume();
  }
}

function tooLarge(maxCreateBytes: number): ApiError {
  return new ApiError(
    'body_too_large',
    `The body is larger than ${maxCreateBytes} bytes, the limit of this server. Upload the requests as files and name them in input_files.`,
  );
}

function tooMany(): ApiError {
  return invalidMember(
    ['body', 'requests'],
    `List should have at most ${MAX_INLINE_REQUESTS} items. Upload more requests as files and name them in input_files`,
    'too_long',
  );
}

function refusalOf({ fault, message, index }: CreateBodyError): ApiError {
  const place = ['body', ...(fault === 'json' ? [] : ['requests']), ...(index === null ? [] : [index])];
  if (fault === 'json') return invalidMember(place, message, 'json_invalid', 'invalid_json');
  if (fault === 'requests') return invalidMember(place, message, 'model_type');
  return new ApiError('body_too_large', index === null ? message : `Request ${index}: ${message}`);
}
