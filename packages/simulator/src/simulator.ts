import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from './clock.ts';
import type { SimulatorClock } from './clock.ts';
import { Exchanges } from './exchanges.ts';
import type { ChooseFault } from './exchanges.ts';
import { changeSettings, SettingsError } from './read-settings.ts';
import { route } from './routes.ts';
import { DEFAULT_SETTINGS } from './settings.ts';
import type { SimulatorSettings } from './settings.ts';
import type { SimulatorStats } from './stats.ts';

/** What tests put in place of the real thing. */
export interface SimulatorParts {
  readonly clock?: SimulatorClock;
  /** Decides what goes wrong with each request, in place of the `rate…` settings. */
  readonly chooseFault?: ChooseFault;
}

/** After an outage another process may hold the port: it is tried again this often, in ms. */
const RETRY_LISTEN_MS = 1000;

/** Connections that may wait to be accepted: a client may open thousands at once. */
const BACKLOG = 4096;

/**
 * Starts an inference server without a model. It answers once this resolved.
 * @throws SettingsError if a setting cannot be used; the system's error if the port is taken.
 */
export async function startSimulator(
  settings: Partial<SimulatorSettings> = {},
  parts: SimulatorParts = {},
): Promise<Simulator> {
  const simulator = new Simulator(changeSettings(DEFAULT_SETTINGS, settings), parts);
  await simulator.start();
  return simulator;
}

/** A running simulator, made by `startSimulator`. */
export class Simulator implements AsyncDisposable {
  readonly #server: Server;
  readonly #exchanges: Exchanges;
  readonly #clock: SimulatorClock;
  #settings: SimulatorSettings;
  #cancelOutage: (() => void) | null = null;
  #lastSwitch: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(settings: SimulatorSettings, { clock = systemClock, chooseFault }: SimulatorParts) {
    this.#settings = settings;
    this.#clock = clock;
    this.#exchanges = new Exchanges(settings, clock, chooseFault ?? null, () => {
      if (!this.#settings.down) void this.outage(this.#settings.crashMs);
    });
    this.#server = createServer({ requestTimeout: 0 }, (request, response) =>
      route(this, this.#exchanges, request, response),
    );
    this.#server.keepAliveTimeout = settings.keepAliveMs;
  }

  /** Listens, unless it is configured to be down; the port is settled either way. */
  async start(): Promise<void> {
    await this.#listen();
    const { port } = this.#server.address() as AddressInfo;
    this.#settings = { ...this.#settings, port };
    if (this.#settings.down) await this.#stopListening();
  }

  /** Where it listens, or would if it were not down: `http://host:port`, without a slash at the end. */
  get url(): string {
    const { host, port } = this.#settings;
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** Whether it takes connections: false while it is down. */
  get listening(): boolean {
    return this.#server.listening;
  }

  /** As they are now; `port` is the real one. */
  get settings(): SimulatorSettings {
    return this.#settings;
  }

  /** Everything counted since the start or the last reset. */
  stats(): SimulatorStats {
    return this.#exchanges.stats();
  }

  /** How often exactly this request body came, and how often it was answered with success to the last byte. */
  received(body: string | Uint8Array): { readonly received: number; readonly answered: number } {
    return this.#exchanges.received(body);
  }

  /** Sets all counts to zero and forgets the bodies; what is in flight goes on and is counted when it ends. */
  reset(): void {
    this.#exchanges.reset();
  }

  /**
   * Changes settings while it runs. They hold for requests that come from now on; those in work keep the latency they began with.
   * Turning `down` on cuts every connection before this resolves; turning it off listens again, but not once it was closed.
   * @throws SettingsError, and then nothing is changed; the system's error if another process took the port meanwhile, and then it
   * stays down.
   */
  async configure(changes: Partial<SimulatorSettings>): Promise<void> {
    const { host, port, down } = this.#settings;
    const settings = changeSettings(this.#settings, changes);
    if (settings.host !== host || settings.port !== port) {
      throw new SettingsError(
        'host and port are settled at the start. Start another simulator for another address.',
      );
    }
    this.#use(settings);
    if (settings.down && !down) await this.#inTurn(() => this.#stopListening());
    if (!settings.down && down) await this.#inTurn(() => this.#listenAgain());
  }

  /** Goes down, and comes up again by itself after `ms`, or as soon after as the port is free. */
  async outage(ms: number): Promise<void> {
    await this.configure({ down: true });
    this.#comeUpAfter(ms);
  }

  /** Cuts what is in flight and frees the port, for good. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelOutage?.();
    await this.#inTurn(() => this.#stopListening());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #use(settings: SimulatorSettings): void {
    this.#settings = settings;
    this.#server.keepAliveTimeout = settings.keepAliveMs;
    this.#exchanges.configure(settings);
  }

  #comeUpAfter(ms: number): void {
    this.#cancelOutage?.();
    if (this.#closed) return;
    this.#cancelOutage = this.#clock.after(ms, () => {
      this.configure({ down: false }).catch(() => this.#comeUpAfter(RETRY_LISTEN_MS));
    });
  }

  /** Listening and stopping take turns of the event loop: a stop that overtook a start would leave the port taken. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    const changed = this.#lastSwitch.then(change);
    this.#lastSwitch = changed.catch(() => {});
    return changed;
  }

  async #listenAgain(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#listen();
    } catch (error) {
      this.#use({ ...this.#settings, down: true });
      throw error;
    }
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#settings;
    this.#server.listen({ host, port, backlog: BACKLOG });
    await once(this.#server, 'listening');
  }

  async #stopListening(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
