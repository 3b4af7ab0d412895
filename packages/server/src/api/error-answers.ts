import { OPERATIONS } from '@bora/protocol/operations';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ApiDependencies } from './dependencies.ts';
import { dialectOf, isOfMistralAlone } from './dialect.ts';
import { ApiError, toApiError } from './errors.ts';
import { openAiAnswer } from './openai/error-answer.ts';

const SERVED =
  "Bora serves /v1/files, /v1/batch/jobs of Mistral's API and /v1/batches and /v1/uploads of OpenAI's, and passes calls to /v1/models, /v1/chat/completions and its like through; of its own /bora/v1/keys, /bora/v1/workspaces, " +
  '/bora/v1/audit, /bora/v1/upstreams, /healthz, /readyz and /metrics.';

/** Turns whatever a route throws into an answer of the shape that the caller's dialect has, in one place. */
export function answerErrors(app: FastifyInstance, { log }: ApiDependencies): void {
  app.setErrorHandler((error, request, reply) => {
    const refusal = toApiError(error);
    if (refusal.status >= 500) {
      log.error(
        { request: request.id, method: request.method, route: request.routeOptions.url, err: error },
        'a call failed',
      );
    }
    return answerError(refusal, request, reply);
  });

  app.setNotFoundHandler((request) => {
    const path = request.url.split('?')[0];
    const advice = adviceFor(path);
    const message = `There is no ${request.method} ${path} here. ${advice}`;
    const openAi = { message: `Invalid URL (${request.method} ${path}). ${advice}` };
    throw new ApiError('unknown_path', 'Not Found', { message }, {}, openAi);
  });
}

/**
 * In the caller's dialect. On paths that both have, clients of OpenAI's that nothing tells (not its SDKs) find its `error` beside what
 * Mistral's read.
 */
export function answerError(refusal: ApiError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const openAi = openAiAnswer(refusal, request.id);
  if (dialectOf(request) === 'openai') {
    return reply.code(openAi.status).headers(openAi.headers).send(openAi.body);
  }
  const { error } = openAi.body;
  const body = { ...refusal.body(request.id), ...(isOfMistralAlone(request.url) ? {} : { error }) };
  return reply.code(refusal.status).headers(refusal.headers).send(body);
}

/** Some SDKs append `/v1` to the address they are given, others want it there; whoever mixes them up calls a path without it. */
function adviceFor(path: string): string {
  const first = path.split('/').find((part) => part !== '');
  const isServed = OPERATIONS.some((operation) => operation.path.split('/', 3).join('/') === `/v1/${first}`);
  return isServed ? 'The path lacks /v1: this client wants a base URL that ends in /v1.' : SERVED;
}
