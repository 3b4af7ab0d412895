import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { ConnectionPool } from './connection-pool.ts';
import { AttemptTimeout } from './http-call.ts';
import { errorCode, networkFailureOf } from './network-failures.ts';
import type { NetworkFailure } from './network-failures.ts';

/** An answer on its way through. Whoever stops reading destroys the body, which closes the call to the upstream. */
export interface ForwardedAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
}

/** No answer began. */
export class ForwardFailed extends Error {
  override readonly name = 'ForwardFailed';
  readonly failure: NetworkFailure;

  constructor(failure: NetworkFailure, cause: Error) {
    super(errorCode(cause), { cause });
    this.failure = failure;
  }
}

/** One HTTP call whose answer is handed on as it comes, event streams too, with back-pressure from its reader to the upstream. */
export class ForwardedCall implements Dispatcher.DispatchHandler {
  readonly #pool: ConnectionPool;
  readonly #answer = Promise.withResolvers<ForwardedAnswer>();
  readonly #body: Readable;
  #controller: Dispatcher.DispatchController | null = null;
  #stopReason: Error | null = null;
  #hasBegun = false;
  #hasEnded = false;

  constructor(pool: ConnectionPool) {
    this.#pool = pool;
    this.#body = new Readable({
      read: () => this.#controller?.resume(),
      destroy: (error, callback) => {
        this.abort(error ?? new Error('Nobody reads the answer any more.'));
        callback(error);
      },
    });
  }

  /** Resolves when the answer begins. @throws ForwardFailed, or the reason given to `abort`. */
  run(options: Dispatcher.DispatchOptions): Promise<ForwardedAnswer> {
    this.#pool.dispatch(options, this);
    return this.#answer.promise;
  }

  abort(reason: Error): void {
    if (this.#hasEnded || this.#stopReason !== null) return;
    this.#stopReason = reason;
    this.#controller?.abort(reason);
    this.onResponseError(null, reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#stopReason !== null) controller.abort(this.#stopReason);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    this.#hasBegun = true;
    this.#answer.resolve({ status, headers, body: this.#body });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (!this.#body.push(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    this.#hasEnded = true;
    this.#body.push(null);
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#hasBegun) this.#body.destroy(error);
    else this.#answer.reject(this.#failureOf(error));
  }

  #failureOf(error: Error): Error {
    if (error instanceof AttemptTimeout) return new ForwardFailed('timeout', error);
    if (this.#stopReason !== null) return this.#stopReason;
    const at = { answerBegun: false, connectionUsed: this.#pool.wasUsed(error) };
    return new ForwardFailed(networkFailureOf(error, at), error);
  }
}
