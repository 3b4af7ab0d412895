import type { ForwardedAnswer } from './forwarded-call.ts';
import type { ConfiguredModels } from './model-names.ts';

/** A server that answers requests, as the operator describes it. */
export interface UpstreamConfig {
  /** Unique; shown in logs, metrics and reasons. */
  readonly name: string;
  /** `http` or `https`; a trailing slash and a trailing `/v1` make no difference. */
  readonly url: string;
  /** Sent as `Authorization: Bearer`. */
  readonly apiKey?: string | null;
  /** Models it serves. Absent: asked from `GET /v1/models`, each under its own name. */
  readonly models?: ConfiguredModels | null;
  /** Endpoints it serves, for example `/v1/chat/completions`. Absent: all. */
  readonly endpoints?: readonly string[] | null;
  /** Most attempts in flight at once, over all its models; also where each model's window starts. Default 64. */
  readonly maxInFlight?: number | null;
  /** Milliseconds for one attempt, from sending to the last byte. Default `DEFAULT_ATTEMPT_TIMEOUT_MS`. */
  readonly timeoutMs?: number | null;
  /** Sent with every call. Names in lower case win over Bora's own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Found, not configured. Default false. */
  readonly found?: boolean;
  /** Share of the work among upstreams of the same model. Default 1. */
  readonly weight?: number | null;
  /** How it takes what lines name. Default `DEFAULT_FILE_FORMS`. */
  readonly fileForms?: FileForms;
  /** Most requests, and most tokens of requests and answers, in any minute. Default: no limit but what it says itself. */
  readonly requestsPerMinute?: number | null;
  readonly tokensPerMinute?: number | null;
}

export const DEFAULT_MAX_IN_FLIGHT = 64;

/** How an upstream takes files, and requests to transcribe. */
export interface FileForms {
  /** `json`: as the line has it. `multipart`: as a form with the sound in it. */
  readonly transcriptions: 'json' | 'multipart';
  /** A file in a JSON request. `data`: its content, as a data URL. `url`: a signed link to Bora. */
  readonly documents: 'data' | 'url';
}

/** What works with every server: those that transcribe take forms, and not all of them reach Bora. */
export const DEFAULT_FILE_FORMS: FileForms = { transcriptions: 'multipart', documents: 'data' };

/**
 * 20 minutes. An answer of 32,768 tokens at 30 tokens per second takes 18; a server that is busier than that queues, which
 * the window answers. Shorter would buy long answers twice and never get them.
 */
export const DEFAULT_ATTEMPT_TIMEOUT_MS = 20 * 60_000;

/**
 * All upstreams: which requests can go out now, and what becomes of them. A route is `${endpoint} ${model}`, as
 * `routeOf` of the storage ports writes it.
 */
export interface Upstreams extends AsyncDisposable {
  /**
   * Asks every upstream for its models, at most 3 seconds long; what is not known by then follows through `onChange`. Never
   * rejects because an upstream is down.
   * @throws the signal's reason if it aborts.
   */
  start(signal?: AbortSignal): Promise<void>;

  /** Routes that some upstream serves now (up, not paused); `any` if one of them takes every model. */
  routes(): readonly string[] | 'any';

  /** Endpoints that some upstream is meant to serve, up or not; all of them if no upstream is configured. */
  endpoints(): readonly string[];

  /**
   * Known models of the upstreams that are meant to serve the endpoint, also of those that are down; `any` if one takes every
   * model. `reachable`: at least one answered when last asked and has told its models. A model missing here is really unknown unless one of the
   * `unheard`, addresses of upstreams that have not told theirs yet, serves it.
   */
  models(endpoint: string): {
    readonly reachable: boolean;
    readonly models: readonly string[] | 'any';
    readonly unheard: readonly string[];
  };

  /** Why no request of this route can go out, in one sentence for the job; null if it only waits for a free place. */
  whyWaiting(route: string): string | null;

  /**
   * A free place in a window, on the upstream with the largest free share by weight; null if there is none, or if the budgets of
   * those that have one admit no more. `bodyBytes` of the request that would go out tell its tokens, about.
   */
  tryAcquire(route: string, bodyBytes?: number): Slot | null;

  /**
   * A place on an upstream where nothing else is in flight, and nothing else will be until it is given back. Null if there is none
   * yet; then the idlest upstream takes nothing else for some seconds, so that one comes about: ask again at each change.
   * Never on an upstream that is on trial, unless `onTrial`.
   */
  tryAcquireAlone(route: string, bodyBytes: number, onTrial: boolean): Slot | null;

  /**
   * The next free place, ahead of all batch work, for a call that somebody waits for. It keeps within the windows: what Bora puts into an
   * upstream stays bounded, and a place comes free with each answer.
   * @throws NotServedNow if nobody serves the route, also where that comes about while it waits; or the signal's reason.
   */
  acquireAhead(route: string, bodyBytes: number, signal: AbortSignal): Promise<ForwardSlot>;

  /** How many attempts could be in flight now: windows of what is up, together. How much work to keep claimed. */
  capacity(): number;

  /**
   * Calls back when a place may have become free: a slot came back, a window grew, a wait ended, an upstream or its models
   * changed. Called synchronously, often; must not throw. The returned function ends it.
   */
  onChange(listener: () => void): () => void;

  status(): readonly UpstreamStatus[];

  /** Ends a pause, or does not wait for the next probe; of the upstream and all its models. Unknown names are ignored. */
  resume(name: string): void;

  /** Sends nothing more until `resume`; what is in flight goes on. Also of an upstream of that name that is found later. */
  pause(pause: PauseByHand): void;
}

/** As the database keeps it; `reason` may be empty. */
export interface PauseByHand {
  readonly upstream: string;
  readonly reason: string;
  readonly pausedAt: number;
}

/** A place in a window. Exactly one of `send` and `release` is called, once. */
export interface Slot {
  readonly upstream: string;
  /** What the upstream calls the model of the route, if that is another name: the body must ask for it so. Else null. */
  readonly renamed: string | null;
  readonly fileForms: FileForms;
  /** It tries out whether the upstream, or the model on it, works again; any request will do, and best another than last time. */
  readonly onTrial: boolean;

  /**
   * One attempt. The slot is free again when it settles.
   * @throws only the signal's reason, once it aborts; the request is closed then and its spill abandoned. Or what `openSpill`,
   * its spill or the streamed body rejected with: no fault of the upstream's.
   */
  send(request: AttemptRequest, signal?: AbortSignal): Promise<Verdict>;

  /** Gives an unused slot back. */
  release(): void;
}

/** A place for one call that is passed through. Exactly one of `forward` and `release` is called, once. */
export interface ForwardSlot extends Pick<Slot, 'upstream' | 'renamed' | 'release'> {
  /**
   * Resolves when the answer begins, whatever its status. The place is free again when its body is closed.
   * @throws ForwardFailed, or the signal's reason.
   */
  forward(request: ForwardRequest, signal: AbortSignal): Promise<ForwardedAnswer>;
}

export interface ForwardRequest {
  readonly endpoint: string;
  readonly body: Uint8Array;
  /** The content type of a body that is a form, with its boundary. Default: it is JSON. */
  readonly formType?: string;
  /** What of the caller's headers goes on, in lower case; beside those of every call to the upstream. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface AttemptRequest {
  /** For example `/v1/chat/completions`. */
  readonly endpoint: string;
  readonly route: string;
  /** Sent as it is, unless `streamed` goes in its place. Must stay unchanged until `send` settles. */
  readonly body: Uint8Array;
  /** What is sent instead; the body then only tells one request from another. */
  readonly streamed?: StreamedBody;
  /** Attempts so far that ended with `countsAgainstLine`. */
  readonly faults: number;
  /** Attempts so far that ended with `crashed`. */
  readonly crashes: number;
  /** Opens a sink for an answer that outgrows 256 KiB; called at most once, with the HTTP status. */
  openSpill(status: number): Promise<AnswerSpill>;
}

/** A body that is not held in memory, but read as it is sent. */
export interface StreamedBody {
  readonly contentType: string;
  /** Null: unknown, it goes in chunks. */
  readonly length: number | null;
  /** From the beginning, each time it is called. */
  open(): AsyncIterable<Uint8Array>;
}

/** Where a large answer goes as it arrives. After `finish` or `abandon` nothing else is called. */
export interface AnswerSpill {
  /** Back-pressure is the returned promise; the chunk stays unchanged until it settles. */
  write(chunk: Uint8Array): Promise<void>;
  finish(): Promise<void>;
  abandon(): Promise<void>;
}

/** What an attempt means for its line. */
export type Verdict =
  | {
      readonly kind: 'succeeded';
      readonly status: number;
      /** One line of valid JSON in UTF-8, without a line break; null: it lies in the spill, finished. */
      readonly body: Uint8Array | null;
      /** As the answer's `usage` says; 0 where it says nothing. */
      readonly inputTokens: number;
      readonly outputTokens: number;
      /** Parts of the two; absent: 0. */
      readonly cachedTokens?: number;
      readonly reasoningTokens?: number;
    }
  | {
      readonly kind: 'failed';
      readonly status: number;
      /** One line of valid JSON: the upstream's own body if it was JSON, else `{object:"error",message,type,param,code}`. */
      readonly body: Uint8Array;
      /** Given where nothing came back from the upstream that could be told: a permanent code and a sentence, as `body` has them. */
      readonly unanswered?: { readonly code: string; readonly message: string };
      /** Under which the failure is counted, for example `HTTP Error, status code: 400`. */
      readonly reason: string;
      /** It crashed its upstream, and only it did: others that were in flight in those crashes are not to blame. */
      readonly isPoison?: boolean;
    }
  | {
      readonly kind: 'retry';
      /** 0: as soon as some upstream has a place; an upstream that wants to be left alone gives none. */
      readonly afterMs: number;
      readonly countsAgainstLine: boolean;
      /** It was in flight when the upstream crashed, whyever it did. */
      readonly crashed: boolean;
      readonly reason: string;
    };

export type UpstreamState = 'up' | 'trial' | 'down' | 'paused';

export interface UpstreamStatus {
  readonly name: string;
  readonly url: string;
  /**
   * `trial`: it was down or paused and looks well; one attempt at a time until one is answered. `down`: probed, by itself
   * up again. `paused`: probed each minute and resumable by hand, or by hand only.
   */
  readonly state: UpstreamState;
  /** Why it is not up, in a sentence without its name; null if up. */
  readonly reason: string | null;
  /** When it entered the state, milliseconds since the epoch. */
  readonly since: number;
  readonly pausedByHand: boolean;
  /** Found on this machine because none was configured. */
  readonly found: boolean;
  /** Until when it asked to be left alone (Retry-After), or null. */
  readonly quietUntil: number | null;
  /** The budget that requests wait for now, in a sentence; null if they do not. */
  readonly waitsFor: string | null;
  readonly inFlight: number;
  readonly maxInFlight: number;
  /** Attempts since start, by what became of them. */
  readonly attempts: Readonly<Record<AttemptOutcome, number>>;
  /** Names that jobs may ask for, or `any`. */
  readonly serves: readonly string[] | 'any';
  readonly models: readonly ModelStatus[];
}

/**
 * - `succeeded`: a complete answer.
 * - `failed`: it ended its line.
 * - `refused`: for load; tried again.
 * - `retried`: broken or refused for another reason; tried again.
 * - `aborted`: cut off by a cancel, a deadline or a stop, or by a fault of our own.
 */
export type AttemptOutcome = 'succeeded' | 'failed' | 'refused' | 'retried' | 'aborted';

/** A model on an upstream that has been asked for or is known. */
export interface ModelStatus {
  /** As the upstream calls it. */
  readonly model: string;
  readonly state: UpstreamState;
  readonly reason: string | null;
  readonly since: number;
  readonly window: number;
  readonly inFlight: number;
}
