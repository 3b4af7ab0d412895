import type { Upstream } from '@bora/protocol/bora-upstreams';
import type { ModelStatus, UpstreamStatus } from '../../upstreams/upstreams.ts';
import { seconds } from '../files/file-view.ts';

export function upstreamView(status: UpstreamStatus): Upstream {
  return {
    name: status.name,
    object: 'upstream',
    url: status.url,
    state: status.state,
    reason: status.reason,
    since: seconds(status.since),
    paused_by_hand: status.pausedByHand,
    found: status.found,
    waits_for: status.waitsFor,
    quiet_until: status.quietUntil === null ? null : seconds(status.quietUntil),
    in_flight: status.inFlight,
    max_in_flight: status.maxInFlight,
    serves: status.serves === 'any' ? ['*'] : [...status.serves],
    models: status.models.map(modelView),
    attempts: { ...status.attempts },
  };
}

function modelView({
  model,
  state,
  reason,
  since,
  window,
  inFlight,
}: ModelStatus): Upstream['models'][number] {
  return { model, state, reason, since: seconds(since), window, in_flight: inFlight };
}
