import type { IncomingHttpHeaders } from 'node:http';
import { retryAfterMs } from '../../upstreams/retry-after.ts';

/** Told of more, OpenAI's SDK for Python gives up beyond 120 seconds, and the one for node does not wait so long beyond 60 (measured). */
const MOST_SECONDS = 60;

/** The headers of an answer, in which no client is told to wait longer than its SDK would. */
export function capRetryAfter(headers: IncomingHttpHeaders, now: number): IncomingHttpHeaders {
  const most = { 'retry-after': `${MOST_SECONDS}`, 'retry-after-ms': `${MOST_SECONDS * 1000}` };
  const capped = Object.entries(most).filter(
    ([name]) => (retryAfterMs({ [name]: headers[name] }, null, now) ?? 0) > MOST_SECONDS * 1000,
  );
  return { ...headers, ...Object.fromEntries(capped) };
}
