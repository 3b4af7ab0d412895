import type { Upstream, UpstreamList } from '@bora/protocol/bora-upstreams';
import type { Transport } from './transport.ts';

/** `/bora/v1/upstreams`, with a key of the scope `admin`. Every method throws `BoraError`. */
export class Upstreams {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** All of them, as they are now. */
  async list(signal?: AbortSignal): Promise<Upstream[]> {
    const { data } = await this.#transport.json<UpstreamList>({
      method: 'GET',
      path: '/bora/v1/upstreams',
      signal,
    });
    return data;
  }

  /** Sends nothing more there until `resume`, over restarts too; what is in flight goes on. Jobs that wait show the reason. */
  pause(name: string, reason = '', signal?: AbortSignal): Promise<Upstream> {
    return this.#post(name, 'pause', { reason }, signal);
  }

  /** Ends a pause, whoever began it; of what is down, does not wait for the next probe. */
  resume(name: string, signal?: AbortSignal): Promise<Upstream> {
    return this.#post(name, 'resume', {}, signal);
  }

  #post(name: string, action: string, body: object, signal?: AbortSignal): Promise<Upstream> {
    return this.#transport.json<Upstream>({
      method: 'POST',
      path: `/bora/v1/upstreams/${encodeURIComponent(name)}/${action}`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      repeatable: true,
      signal,
    });
  }
}
