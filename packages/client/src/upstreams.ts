import type { Transport } from './transport.ts';

/** `trial`: it was down or paused and looks well; one request at a time until one is answered. */
export type UpstreamState = 'up' | 'trial' | 'down' | 'paused';

/** An inference server as Bora sees it now. Times are Unix seconds. */
export interface Upstream {
  readonly name: string;
  readonly object: 'upstream';
  readonly url: string;
  readonly state: UpstreamState;
  /** Why it is not up, a sentence without its name; null if it is. */
  readonly reason: string | null;
  readonly since: number;
  /** A person paused it, and it stays so until one resumes it. */
  readonly paused_by_hand: boolean;
  /** Found on this machine because none was configured. */
  readonly found: boolean;
  /** The budget that requests wait for now, a sentence; null if they do not. */
  readonly waits_for: string | null;
  /** Until when it asked to be left alone; null if it did not. */
  readonly quiet_until: number | null;
  readonly in_flight: number;
  readonly max_in_flight: number;
  /** Names that jobs may ask for; `*` = any. */
  readonly serves: string[];
  /** By what the upstream calls them, those that have been asked for or are known. */
  readonly models: {
    readonly model: string;
    readonly state: UpstreamState;
    readonly reason: string | null;
    readonly since: number;
    /** How many requests at once it is found to take. */
    readonly window: number;
    readonly in_flight: number;
  }[];
  /** Attempts since the start, by what became of them. */
  readonly attempts: {
    readonly succeeded: number;
    readonly failed: number;
    readonly refused: number;
    readonly retried: number;
    readonly aborted: number;
  };
}

/** `/bora/v1/upstreams`, with a key of the scope `admin`. Every method throws `BoraError`. */
export class Upstreams {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** All of them, as they are now. */
  async list(signal?: AbortSignal): Promise<Upstream[]> {
    const { data } = await this.#transport.json<{ readonly data: Upstream[] }>({
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
