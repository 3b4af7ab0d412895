import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { AnswerCheck } from '../bytes/answer-check.ts';
import { errorCode, networkFailureOf } from './network-failures.ts';
import type { NetworkFailure } from './network-failures.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { AnswerSpill, StreamedBody } from './upstreams.ts';

/** Answers up to this size are held in memory whole; of larger ones with another status than 2xx the rest is thrown away. */
export const ANSWER_BYTES_IN_MEMORY = 256 * 1024;

/** How much of both ends of a spilled answer is kept to read its `usage` from. */
const SPILLED_END_BYTES = 4096;

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array | StreamedBody | null;
  /** An answer with 2xx beyond this is given up. */
  readonly maxAnswerBytes: number;
  /** Null: an answer that outgrows memory is given up. */
  readonly openSpill: ((status: number) => Promise<AnswerSpill>) | null;
}

export type CallResult =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly bytes: Uint8Array;
    }
  /** Checked as it arrived; in the spill, finished, if `fault` is null. */
  | {
      readonly kind: 'spilled';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly fault: string | null;
      readonly ends: Ends;
    }
  | { readonly kind: 'too-large'; readonly status: number }
  /** `code` as the operating system or undici names it. */
  | { readonly kind: 'broken'; readonly failure: NetworkFailure; readonly code: string };

/** The first and the last few KiB. */
export type Ends = readonly [Uint8Array, Uint8Array];

/** Passed to `HttpCall.abort`, the deadline of the attempt. */
export class AttemptTimeout extends Error {
  override readonly name = 'AttemptTimeout';
}

class AnswerTooLarge extends Error {
  override readonly name = 'AnswerTooLarge';
}

/** The spill or the streamed body, not the network, failed: its cause is rethrown to the caller of the attempt. */
class OurSideFailed extends Error {
  override readonly name = 'OurSideFailed';
}

/**
 * One HTTP call as a handler of undici's `dispatch`, the layer below `request`: no stream, no body object, one promise.
 * Measured on Node 24, 64 in flight, 1.2 KB each way, server in another process, median of five: `Pool.request` with
 * `arrayBuffer` and a parse 35 µs CPU per call, `dispatch` with a parse 24 µs, `Slot.send` as a whole (window, deadline,
 * this call, check of the answer, usage) 28 to 34 µs.
 */
export class HttpCall implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #pool: ConnectionPool;
  readonly #done = Promise.withResolvers<CallResult>();
  #controller: Dispatcher.DispatchController | null = null;
  /** Set by the first thing that ends the call; what comes later changes nothing. */
  #ended = false;
  #stopReason: Error | null = null;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #chunks: Uint8Array[] = [];
  #size = 0;
  #spilling: SpillInProgress | null = null;
  #streaming: Readable | null = null;

  constructor(pool: ConnectionPool, request: HttpRequest) {
    this.#pool = pool;
    this.#request = request;
  }

  /**
   * Sends. Rejects only with what `openSpill`, its spill or a streamed body rejected with, or with another reason given to `abort`.
   */
  run(): Promise<CallResult> {
    const { method, path, headers, body } = this.#request;
    this.#pool.dispatch({ method, path, headers: headers as string[], body: this.#bytesOf(body) }, this);
    return this.#done.promise;
  }

  /** Closes the request. `AttemptTimeout` ends the call as `timeout`; any other reason rejects it. */
  abort(reason: Error): void {
    if (this.#ended || this.#stopReason !== null) return;
    this.#stopReason = reason;
    // Without a controller the request still waits in the pool; `onRequestStart` aborts it there.
    this.#controller?.abort(reason);
    this.#end(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#stopReason !== null) controller.abort(this.#stopReason);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    // Each resume hands over an empty chunk first. Pausing at it would go round for ever without a look at the socket.
    if (chunk.length === 0) return;
    this.#size += chunk.length;
    if (this.#size <= ANSWER_BYTES_IN_MEMORY) {
      this.#chunks.push(chunk);
      return;
    }
    if (!isSuccess(this.#status)) return;
    if (this.#size > this.#request.maxAnswerBytes || this.#request.openSpill === null) {
      this.abort(new AnswerTooLarge());
      return;
    }
    // Nothing else arrives until it resumes; but when the server closes the connection, undici hands over what it still holds.
    controller.pause();
    this.#spilling ??= new SpillInProgress(this.#request.openSpill(this.#status));
    const chunks = [...this.#chunks, chunk];
    this.#chunks = [];
    void this.#writeOn(this.#spilling, chunks, controller);
  }

  onResponseEnd(): void {
    this.#end(null);
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    this.#end(error);
  }

  #bytesOf(body: HttpRequest['body']): Uint8Array | Readable | null {
    if (body === null || body instanceof Uint8Array) return body;
    this.#streaming = Readable.from(this.#read(body), { objectMode: false });
    return this.#streaming;
  }

  async *#read(body: StreamedBody): AsyncGenerator<Uint8Array> {
    try {
      yield* body.open();
    } catch (error) {
      this.abort(new OurSideFailed('The body could not be read.', { cause: error }));
      throw error;
    }
  }

  async #writeOn(
    spilling: SpillInProgress,
    chunks: readonly Uint8Array[],
    controller: Dispatcher.DispatchController,
  ): Promise<void> {
    try {
      await spilling.write(chunks);
      controller.resume();
    } catch (error) {
      this.abort(new OurSideFailed('The spill failed.', { cause: error }));
    }
  }

  #end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = true;
    // The connection may never have asked for it, and then nobody else would let go of what it reads from.
    this.#streaming?.destroy();
    if (this.#spilling === null) this.#settle(error, null);
    else void this.#endSpill(this.#spilling, error);
  }

  async #endSpill(spilling: SpillInProgress, error: Error | null): Promise<void> {
    try {
      const fault = await (error === null ? spilling.finish() : spilling.abandon());
      this.#settle(error, { fault, ends: spilling.ends });
    } catch (failed) {
      this.#done.reject(failed);
    }
  }

  #settle(error: Error | null, spilled: { fault: string | null; ends: Ends } | null): void {
    const { resolve, reject } = this.#done;
    const status = this.#status;
    if (error === null) {
      if (spilled !== null) resolve({ kind: 'spilled', status, headers: this.#headers, ...spilled });
      else resolve({ kind: 'answered', status, headers: this.#headers, bytes: joined(this.#chunks) });
    } else if (error instanceof AnswerTooLarge) resolve({ kind: 'too-large', status });
    else if (error instanceof AttemptTimeout)
      resolve({ kind: 'broken', failure: 'timeout', code: 'timeout' });
    else if (error instanceof OurSideFailed) reject(error.cause);
    else if (this.#stopReason !== null) reject(this.#stopReason);
    else {
      const at = { answerBegun: status !== 0, connectionUsed: this.#pool.wasUsed(error) };
      resolve({ kind: 'broken', failure: networkFailureOf(error, at), code: errorCode(error) });
    }
  }
}

/** An answer on its way to a spill, checked as it passes. */
class SpillInProgress {
  readonly #spill: Promise<AnswerSpill>;
  readonly #check = new AnswerCheck();
  #writing: Promise<void> = Promise.resolve();
  #head: Uint8Array | null = null;
  #tail: Uint8Array = new Uint8Array(0);

  constructor(spill: Promise<AnswerSpill>) {
    this.#spill = spill;
  }

  get ends(): Ends {
    return [this.#head ?? this.#tail, this.#tail];
  }

  /** In order, also where a write is still under way. */
  write(chunks: readonly Uint8Array[]): Promise<void> {
    this.#writing = this.#writeAfter(this.#writing, chunks);
    return this.#writing;
  }

  /** Why the answer is not one; null if it is and lies in the spill. */
  async finish(): Promise<string | null> {
    await this.#writing;
    const fault = this.#check.finish() ?? (startsObject(this.#head) ? null : 'It is no JSON object.');
    const spill = await this.#spill;
    await (fault === null ? spill.finish() : spill.abandon());
    return fault;
  }

  /** Never rejects because of what was written before. */
  async abandon(): Promise<null> {
    const [spill] = await Promise.allSettled([this.#spill, this.#writing]);
    if (spill.status === 'fulfilled') await spill.value.abandon();
    return null;
  }

  async #writeAfter(before: Promise<void>, chunks: readonly Uint8Array[]): Promise<void> {
    await before;
    const spill = await this.#spill;
    for (const chunk of chunks) {
      const checked = this.#check.push(chunk);
      if (checked.length > 0) await spill.write(checked);
      this.#head ??= chunk.subarray(0, SPILLED_END_BYTES);
      this.#tail = joined([this.#tail, chunk.subarray(-SPILLED_END_BYTES)]).subarray(-SPILLED_END_BYTES);
    }
  }
}

function startsObject(head: Uint8Array | null): boolean {
  return /^\s*\{/.test(Buffer.from(head ?? []).toString('latin1'));
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}
