import { Evidence } from './evidence.ts';
import type { Health } from './health.ts';
import type { Listing } from './model-listing.ts';
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
  /** The endpoint where it was paused for refusing different requests with 403; null if it was not. */
  forbiddenAt: string | null = null;

  constructor(model: string, cap: number, health: Health) {
    this.model = model;
    this.window = new AimdWindow(cap);
    this.health = health;
  }

  /** Its time for a probe has come, and `/v1/models` was answered; `ask` as `askItself`. */
  judge(listing: Listing, ask: (endpoint: string) => Promise<void>): void {
    if (this.unlisted && listing.kind === 'models' && !listing.models.includes(this.model)) {
      this.health.pause(this.health.reason ?? '');
      return;
    }
    this.unlisted = false;
    if (this.forbiddenAt === null || this.health.state !== 'paused') return this.health.recover();
    // Whatever becomes of the question, the next look is a minute away.
    this.health.pause(this.health.reason ?? '');
    void ask(this.forbiddenAt);
  }

  status(): ModelStatus {
    const { state, reason, since } = this.health;
    const { limit, inFlight } = this.window;
    return { model: this.model, state, reason, since, window: limit, inFlight };
  }
}
