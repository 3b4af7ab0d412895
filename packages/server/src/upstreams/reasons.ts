import type { Symptom } from './fault-table.ts';
import type { NetworkFailure } from './network-failures.ts';

/** Sentences about upstreams, to be read after the upstream's address, and the times in them. */

const BREAKS: Readonly<Record<NetworkFailure, string>> = {
  refused: 'refuses connections',
  dns: 'has a host name that cannot be resolved',
  unreachable: 'cannot be reached',
  tls: 'fails the TLS handshake',
  stale: 'breaks connections before it answers',
  reset: 'breaks connections before it answers',
  cut: 'breaks off its answers',
  timeout: 'does not answer in time',
  local: 'cannot be connected to from here',
};

/** For example `refuses connections (ECONNREFUSED)`. */
export function describeBreak(failure: NetworkFailure, code: string): string {
  return code === failure ? BREAKS[failure] : `${BREAKS[failure]} (${code})`;
}

/** For example `answers HTTP 401: Invalid API key`. The upstream's own words are cut to 200 characters. */
export function describeSymptom(
  symptom: Symptom,
  status: number,
  code: string,
  message: string | null,
): string {
  const said = message === null ? '' : `: ${message.slice(0, 200).trim().replace(/\.$/, '')}`;
  switch (symptom) {
    case 'quota':
      return `says that its quota is used up (HTTP ${status}${said})`;
    case 'not-json':
      return `answers HTTP ${status} without valid JSON`;
    case 'aborted':
      return 'ends its answers with finish_reason abort or error';
    case 'too-large':
      return 'answers more than is allowed';
    default:
      return typeof symptom === 'number' ? `answers HTTP ${status}${said}` : describeBreak(symptom, code);
  }
}

/** For example `14 s`, `3 min`, `2 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
