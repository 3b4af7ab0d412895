import type { IncomingHttpHeaders } from 'node:http';
import { LONGEST_QUIET_MS } from './health.ts';

/** What an upstream says is left, of requests or of tokens, and for how long that holds. */
export interface RemainingQuota {
  readonly remaining: number;
  /** Milliseconds until there is more. */
  readonly resetMs: number;
}

export interface RemainingQuotas {
  readonly requests: RemainingQuota | null;
  readonly tokens: RemainingQuota | null;
}

/** Mistral's quotas are per minute and say no reset. */
const UNSAID_RESET_MS = 60_000;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * OpenAI: `x-ratelimit-remaining-requests`, `-tokens`, with `x-ratelimit-reset-…` as in `6m0s` or `12ms`
 * (https://platform.openai.com/docs/guides/rate-limits; plain seconds at Azure, where -1 means that it does not say). Mistral:
 * `x-ratelimit-remaining-req-minute`, `x-ratelimit-remaining-tokens-minute` (live, https://github.com/mistralai/client-ts/issues/169).
 * Null if no header says anything.
 */
export function remainingQuotas(headers: IncomingHttpHeaders): RemainingQuotas | null {
  const requests = quota(
    headers['x-ratelimit-remaining-requests'] ?? headers['x-ratelimit-remaining-req-minute'],
    headers['x-ratelimit-reset-requests'],
  );
  const tokens = quota(
    headers['x-ratelimit-remaining-tokens'] ?? headers['x-ratelimit-remaining-tokens-minute'],
    headers['x-ratelimit-reset-tokens'],
  );
  return requests === null && tokens === null ? null : { requests, tokens };
}

type Header = string | string[] | undefined;

function quota(left: Header, reset: Header): RemainingQuota | null {
  const remaining = typeof left === 'string' && left !== '' ? Number(left) : Number.NaN;
  if (!(remaining >= 0)) return null;
  const resetMs = typeof reset === 'string' ? durationMs(reset) : null;
  return { remaining, resetMs: Math.min(resetMs ?? UNSAID_RESET_MS, LONGEST_QUIET_MS) };
}

/** `1h2m3.5s`, `12ms`, or plain seconds; null for anything else. */
function durationMs(text: string): number | null {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000;
  if (!/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) return null;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g);
  return [...parts].reduce((sum, [, amount, unit]) => sum + Number(amount) * UNIT_MS[unit], 0);
}
