import type { IncomingHttpHeaders } from 'node:http';

/**
 * Milliseconds that an upstream asks to be left alone: `retry-after-ms` (OpenAI), `Retry-After` in seconds or as a date
 * (RFC 9110 10.2.3), or LiteLLM's sentence, which comes without a header. Null if it does not say.
 */
export function retryAfterMs(
  headers: IncomingHttpHeaders,
  message: string | null,
  now: number,
): number | null {
  const ms = Number(headers['retry-after-ms'] ?? Number.NaN);
  if (Number.isFinite(ms) && ms >= 0) return Math.ceil(ms);
  const after = headers['retry-after'];
  if (after !== undefined) {
    const seconds = Number(after);
    if (Number.isFinite(seconds) && seconds >= 0) return Math.ceil(seconds * 1000);
    // A date begins with the name of its day; `Date.parse` would take a bare number for a year.
    const date = /^[a-z]/i.test(after) ? Date.parse(after) : Number.NaN;
    if (Number.isFinite(date)) return Math.max(0, date - now);
  }
  const said = /try again in (\d+(?:\.\d+)?) ?s/i.exec(message ?? '')?.[1];
  return said === undefined ? null : Math.ceil(Number(said) * 1000);
}
