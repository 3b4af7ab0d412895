import { member, parsed } from './answer-contents.ts';
import type { CallResult } from './http-call.ts';
import { isSuccess } from './http-call.ts';
import type { NetworkFailure } from './network-failures.ts';
import { describeBreak } from './reasons.ts';

export const LISTING_PATH = '/v1/models';

/** What `GET /v1/models` says: discovery, and the probe of what is down or paused. */
export type Listing =
  | { readonly kind: 'models'; readonly models: readonly string[] }
  /** It answers, but has no such list. */
  | { readonly kind: 'none' }
  /** Key, credit or permission. */
  | { readonly kind: 'refused'; readonly status: number }
  /** It answers that it is busy; the list is as it was. */
  | { readonly kind: 'busy'; readonly status: number }
  | { readonly kind: 'silent'; readonly failure: NetworkFailure | null; readonly reason: string };

export function readListing(result: CallResult): Listing {
  if (result.kind === 'broken') {
    return { kind: 'silent', failure: result.failure, reason: describeBreak(result.failure, result.code) };
  }
  const { status } = result;
  if (result.kind === 'answered' && isSuccess(status)) {
    const data = member(parsed(Buffer.from(result.bytes).toString()), 'data');
    if (!Array.isArray(data)) return { kind: 'none' };
    const ids = data.map((model) => member(model, 'id')).filter((id) => typeof id === 'string');
    return { kind: 'models', models: [...new Set(ids)] };
  }
  if ([401, 402, 403, 407].includes(status)) return { kind: 'refused', status };
  if (status === 429) return { kind: 'busy', status };
  if (status < 500 || status === 501) return { kind: 'none' };
  return { kind: 'silent', failure: null, reason: `answers HTTP ${status} to GET ${LISTING_PATH}` };
}
