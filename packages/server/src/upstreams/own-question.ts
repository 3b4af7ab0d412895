import { readResult } from './answer-reading.ts';
import { familyOf } from './fault-table.ts';
import type { ServedModel } from './served-model.ts';
import type { Upstream } from './upstream.ts';

const HELLO = 'Hello';
const MESSAGES = [{ role: 'user', content: HELLO }];

/** The least that can be asked of an endpoint; none where it takes a file, or would be kept as a conversation. */
const QUESTIONS: Readonly<Record<string, object>> = {
  '/v1/chat/completions': { messages: MESSAGES, max_tokens: 1 },
  '/v1/fim/completions': { prompt: HELLO, max_tokens: 1 },
  '/v1/embeddings': { input: HELLO },
  '/v1/moderations': { input: HELLO },
  '/v1/chat/moderations': { input: MESSAGES },
  '/v1/classifications': { input: HELLO },
  '/v1/chat/classifications': { input: MESSAGES },
};

/**
 * Tells a model that may not be used any more from one whose last requests are refused for what they ask: where those are all that
 * is left, there is no other request to compare with, and a trial would be refused until the deadline. An answer counts like any other, so
 * that the refusals after it are their requests' own; a refusal leaves the model paused; anything else says nothing, and the
 * requests themselves are tried.
 */
export async function askItself(upstream: Upstream, served: ServedModel, endpoint: string): Promise<void> {
  const question = QUESTIONS[endpoint];
  if (question === undefined) return served.health.recover();
  const body = Buffer.from(JSON.stringify({ model: served.model, ...question }));
  const charge = upstream.budget.charge(served.tokens.of(body.length));
  upstream.entered += 1;
  const attempt = upstream.entered;
  const result = await upstream.calls.ask(endpoint, body);
  if ('headers' in result) upstream.budget.heed(result.headers, charge);
  const reading = readResult(result, upstream.clock.now());
  if (reading.kind === 'failure' && familyOf(reading.symptom) === 'refusal') return;
  served.health.recover();
  if (reading.kind === 'answer') upstream.noteAnswer(served, endpoint, attempt);
}
