import { NotServedNow } from '../upstreams/calls-ahead.ts';
import { ForwardFailed } from '../upstreams/forwarded-call.ts';
import type { ForwardedAnswer } from '../upstreams/forwarded-call.ts';
import type { ForwardRequest, ForwardSlot, Upstreams } from '../upstreams/upstreams.ts';
import { askedModel } from './asked-model.ts';
import type { AskedModel } from './asked-model.ts';
import { GatewayRefused } from './gateway-refused.ts';

/** Upstreams that are down may be several, and a stale connection one more. */
const MOST_TRIES = 3;

export type GatewayAnswer = ForwardedAnswer & { readonly upstream: string };

/**
 * Passes calls through to the upstreams that also do the batch work: the same models under the same names, windows and budgets, but ahead
 * of all batch requests. The body goes out byte for byte but for a renamed model; the answer comes back as it is, whatever its status.
 * Nothing of it is kept. It is sent again only where no connection came about, or one broke before the first byte that had carried an
 * answer before: upstreams close those when they are idle, and cannot be told from one that dies at just that moment.
 */
export class Gateway {
  readonly #upstreams: Pick<Upstreams, 'acquireAhead' | 'models'>;

  constructor(upstreams: Pick<Upstreams, 'acquireAhead' | 'models'>) {
    this.#upstreams = upstreams;
  }

  /** Resolves when the answer begins. @throws GatewayRefused, or the signal's reason, which also closes an answer on its way. */
  async forward(call: ForwardRequest, signal: AbortSignal): Promise<GatewayAnswer> {
    try {
      return await this.#forward(call, askedModel(call), signal);
    } catch (error) {
      throw error instanceof NotServedNow ? new GatewayRefused('not_served_now', error.message) : error;
    }
  }

  async #forward(call: ForwardRequest, model: AskedModel, signal: AbortSignal): Promise<GatewayAnswer> {
    const route = `${call.endpoint} ${model.name}`;
    this.#refuseUnknown(call.endpoint, model.name);
    // A form is large by its file, whose bytes are no tokens.
    const promptBytes = call.formType === undefined ? call.body.length : 0;
    for (let tries = 1; ; tries += 1) {
      const slot = await this.#upstreams.acquireAhead(route, promptBytes, signal);
      try {
        return await send(call, model, slot, signal);
      } catch (error) {
        if (!(error instanceof ForwardFailed)) throw error;
        if (tries === MOST_TRIES || !UNSEEN.has(error.failure)) throw failed(slot.upstream, error);
      }
    }
  }

  #refuseUnknown(endpoint: string, model: string): void {
    const { reachable, models, unheard } = this.#upstreams.models(endpoint);
    if (!reachable || models === 'any' || models.includes(model) || unheard.length > 0) return;
    throw new GatewayRefused(
      'model_not_found',
      `No upstream serves the model ${model} at ${endpoint}; known are ${models.length === 0 ? 'none' : models.join(', ')}.`,
    );
  }
}

/** The upstream never saw the request. */
const UNSEEN: ReadonlySet<string> = new Set(['refused', 'dns', 'unreachable', 'tls', 'stale']);

async function send(
  call: ForwardRequest,
  model: AskedModel,
  slot: ForwardSlot,
  signal: AbortSignal,
): Promise<GatewayAnswer> {
  const { upstream, renamed } = slot;
  const body = renamed === null ? call.body : model.renamed(renamed);
  return { ...(await slot.forward({ ...call, body }, signal)), upstream };
}

function failed(upstream: string, error: ForwardFailed): GatewayRefused {
  if (error.failure === 'timeout')
    return new GatewayRefused('upstream_timeout', `Upstream ${upstream} did not answer in time.`, {
      cause: error,
    });
  const message = `Upstream ${upstream} broke off before it answered (${error.message}). It may have seen the request.`;
  return new GatewayRefused('upstream_failed', message, { cause: error });
}
