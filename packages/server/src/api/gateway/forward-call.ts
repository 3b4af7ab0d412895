import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { FORWARDED_ENDPOINTS } from '@bora/protocol/operations';
import type { FastifyInstance } from 'fastify';
import { boundaryOf } from '../../bytes/form-fields.ts';
import { GatewayRefused } from '../../gateway/gateway-refused.ts';
import type { GatewayAnswer } from '../../gateway/gateway.ts';
import type { HeldBytes } from '../call-memory.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { capRetryAfter } from './cap-retry-after.ts';

/** Of the answer: what concerns the connection to the upstream, and what is Bora's own to say, stays behind. */
const KEPT_BACK = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'date',
  'server',
  'x-request-id',
]);

/** `POST /v1/chat/completions` and its like: one call, passed through to an upstream ahead of batch work, event streams too. */
export function forwardRoutes(app: FastifyInstance, deps: ApiDependencies): void {
  for (const endpoint of FORWARDED_ENDPOINTS) {
    app.post(endpoint, { config: { access: 'write' } }, async (request, reply) => {
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort(new Error('The caller is gone.')));
      const answer = await forward(deps, endpoint, request.raw, gone.signal);
      answer.body.on('error', (error) => {
        if (!gone.signal.aborted)
          deps.log.warn(
            { request: request.id, upstream: answer.upstream, err: error },
            'an answer broke off',
          );
      });
      return reply
        .code(answer.status)
        .headers(withoutKeptBack(capRetryAfter(answer.headers, deps.clock.now())))
        .header('x-bora-upstream', answer.upstream)
        .send(answer.body);
    });
  }
}

/** Holds the body until the answer begins. @throws ApiError, or the signal's reason */
async function forward(
  { gateway, memory, settings }: ApiDependencies,
  endpoint: string,
  request: IncomingMessage,
  gone: AbortSignal,
): Promise<GatewayAnswer> {
  using held = memory.hold();
  const body = await readWhole(request, settings.maxLineBytes, held);
  // Of the caller's headers this one and a form's type alone: its key is for Bora, not for the upstream.
  const { accept, 'content-type': type = '' } = request.headers;
  const headers: Record<string, string> = accept === undefined ? {} : { accept };
  const formType = boundaryOf(type) === null ? undefined : type;
  try {
    return await gateway.forward({ endpoint, body, formType, headers }, gone);
  } catch (error) {
    throw error instanceof GatewayRefused ? refusalOf(error) : error;
  }
}

function refusalOf({ refusal, message }: GatewayRefused): ApiError {
  const isLater = refusal === 'not_served_now';
  return new ApiError(refusal, message, {}, isLater ? { 'retry-after': '5' } : {});
}

/** @throws ApiError 413, 503 */
async function readWhole(request: IncomingMessage, maxBytes: number, held: HeldBytes): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes)
        throw new ApiError('body_too_large', `The body is larger than ${maxBytes} bytes.`);
      await held.resize(bytes);
      chunks.push(chunk);
    }
  } finally {
    request.resume();
  }
  return Buffer.concat(chunks, bytes);
}

function withoutKeptBack(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || KEPT_BACK.has(name) || name.startsWith('access-control-') ? [] : [[name, value]],
    ),
  );
}
