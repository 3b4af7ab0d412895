import { Evidence } from './evidence.ts';
import type { Health } from './health.ts';
import { TokenEstimate } from './token-estimate.ts';
import { AimdWindow } from './window.ts';
import type { Window } from './window.ts';
import type { ModelStatus } from './upstreams.ts';

/** One model on one upstream: what is learned, refused and paused apart from the upstream's other models. */
export class ServedModel {
  /** As the upstream calls it. */
  readonly model: string;
  readonly window: Window;
  readonly health: Health;
  readonly evidence = new Evidence();
  readonly tokens = new TokenEstimate();
  /** Paused because `/v1/models` does not name it: a probe ends that only if it names it again. */
  unlisted = false;

  constructor(model: string, cap: number, health: Health) {
    this.model = model;
    this.window = new AimdWindow(cap);
    this.health = health;
  }

  status(): ModelStatus {
    const { state, reason, since } = this.health;
    const { limit, inFlight } = this.window;
    return { model: this.model, state, reason, since, window: limit, inFlight };
  }
}
