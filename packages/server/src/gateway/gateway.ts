import { isKey, JsonScanError, MemberWalk } from '../bytes/json-scan.ts';
import { spliceModel } from '../bytes/splice-body.ts';
import { NotServedNow } from '../upstreams/calls-ahead.ts';
import { ForwardFailed } from '../upstreams/forwarded-call.ts';
import type { ForwardedAnswer } from '../upstreams/forwarded-call.ts';
import type { ForwardRequest, ForwardSlot, Upstreams } from '../upstreams/upstreams.ts';

/** Upstreams that are down may be several, and a stale connection one more. */
const MOST_TRIES = 3;

export type GatewayRefusal =
  | 'invalid_json'
  | 'no_model'
  | 'model_not_found'
  | 'not_served_now'
  | 'upstream_failed'
  | 'upstream_timeout';

/** A call that is not passed through, or to which no answer began. The message is for the caller. */
export class GatewayRefused extends Error {
  override readonly name = 'GatewayRefused';
  readonly refusal: GatewayRefusal;

  constructor(refusal: GatewayRefusal, message: string, options?: ErrorOptions) {
    super(message, options);
    this.refusal = refusal;
  }
}

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
      return await this.#forward(call, modelOf(call.body), signal);
    } catch (error) {
      throw error instanceof NotServedNow ? new GatewayRefused('not_served_now', error.message) : error;
    }
  }

  async #forward(call: ForwardRequest, model: string, signal: AbortSignal): Promise<GatewayAnswer> {
    const route = `${call.endpoint} ${model}`;
    this.#refuseUnknown(call.endpoint, model);
    for (let tries = 1; ; tries += 1) {
      const slot = await this.#upstreams.acquireAhead(route, call.body.length, signal);
      try {
        return await send(call, slot, signal);
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

async function send(call: ForwardRequest, slot: ForwardSlot, signal: AbortSignal): Promise<GatewayAnswer> {
  const { upstream, renamed } = slot;
  const body = renamed === null ? call.body : spliceModel(call.body, renamed);
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

/** Of duplicates the last counts, as for `JSON.parse`. */
function modelOf(body: Uint8Array): string {
  let model: Uint8Array | null = null;
  try {
    const member = new MemberWalk(body);
    while (member.next())
      if (isKey(body, member, 'model')) model = body.subarray(member.valueStart, member.valueEnd);
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    throw new GatewayRefused('invalid_json', 'The body is no JSON object.');
  }
  const name: unknown = model === null ? null : parsed(model);
  if (typeof name === 'string' && name !== '') return name;
  throw new GatewayRefused('no_model', 'The body names no model: "model" must be a string.');
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return null;
  }
}
