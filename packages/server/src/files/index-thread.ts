import { Worker } from 'node:worker_threads';
import type { Clock } from '../observe/clock.ts';
import { ContentPass } from './content-pass.ts';
import type { PassKind, PassResult } from './content-pass.ts';
import type { PassCommand, PassReport } from './index-worker.ts';
import { UploadInterrupted } from './upload-errors.ts';

/** An upload up to this size is read in place: that takes less than a round trip through a busy thread. */
const IN_PLACE_BYTES = 64 * 1024;
/** Bytes that wait in the thread at most, of all uploads together: it always has work, and where it is slow uploaders wait for it. */
const IN_FLIGHT_BYTES = 1024 * 1024;
/** Without an upload for so long the thread ends: idle it holds 50 MB, and a new one starts within 0.1 s. */
const IDLE_MS = 10_000;
/** With so much behind it, it ends at once: what was kept of ten million ids holds 150 MB until V8 collects it, which an idle thread's does not. */
const TIRED_BYTES = 256 * 1024 * 1024;

/**
 * Reads uploads in one thread of its own, so that a large upload never stalls dispatch: indexing 512 MB takes more than a
 * second of processor time. Several uploads share the thread, chunk by chunk. It starts with a large upload, ends once there is none,
 * and keeps the process alive only while one is being read.
 *
 * If the thread dies (out of memory), the uploads it read fail with `UploadInterrupted`, and the next one starts a new thread: unlike
 * that of the database it holds nothing that anybody else needs, so Bora lives on.
 */
export class IndexThread implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #script: URL;
  #cancelEnd = (): void => {};
  /** That the thread was given since it started. */
  #bytes = 0;
  #worker: Worker | null = null;
  readonly #streams = new Map<number, ContentStream>();
  #lastStream = 0;
  #inFlight = 0;
  /** In the order in which they are let in. */
  #waiting: WaitingChunk[] = [];

  /** `script` answers as index-worker.ts does; tests give one that fails. */
  constructor(clock: Clock, script = new URL('./index-worker.ts', import.meta.url)) {
    this.#clock = clock;
    this.#script = script;
  }

  get isRunning(): boolean {
    return this.#worker !== null;
  }

  open(kind: PassKind, maxLineBytes?: number): ContentStream {
    this.#lastStream += 1;
    return new ContentStream({ kind, maxLineBytes }, this.#lastStream, {
      attach: (stream) => this.#attach(stream),
      detach: (stream) => this.#detach(stream),
      admit: (bytes) => this.#admit(bytes),
      send: (command) => this.#send(command),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    this.#cancelEnd();
    this.#fail(
      new UploadInterrupted('The upload was stopped, because Bora is shutting down. Send it again.'),
    );
    await worker?.terminate();
  }

  #attach(stream: ContentStream): void {
    this.#cancelEnd();
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#streams.set(stream.id, stream);
  }

  #detach(stream: ContentStream): void {
    this.#streams.delete(stream.id);
    if (this.#streams.size > 0) return;
    this.#worker?.unref();
    this.#cancelEnd();
    if (this.#bytes > TIRED_BYTES) this.#end();
    else this.#cancelEnd = this.#clock.after(IDLE_MS, () => this.#end());
  }

  #end(): void {
    void this.#worker?.terminate();
    this.#worker = null;
    this.#inFlight = 0;
  }

  /** Resolves in its turn, once what is in flight lets it in. Rejects if the thread dies. */
  #admit(bytes: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, resolve, reject });
    this.#letIn();
    return promise;
  }

  #letIn(): void {
    while (this.#inFlight < IN_FLIGHT_BYTES) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#inFlight += next.bytes;
      next.resolve();
    }
  }

  #receive(report: PassReport): void {
    if (report.kind === 'read') {
      this.#inFlight -= report.bytes;
      this.#letIn();
    }
    this.#streams.get(report.stream)?.receive(report);
  }

  #send(command: PassCommand): void {
    if (command.kind === 'chunk') this.#bytes += command.bytes.byteLength;
    this.#worker?.postMessage(command, command.kind === 'chunk' ? [command.bytes.buffer as ArrayBuffer] : []);
  }

  #start(): Worker {
    this.#bytes = 0;
    const worker = new Worker(this.#script, { name: 'bora-index' });
    worker.on('message', (report: PassReport) => {
      if (worker === this.#worker) this.#receive(report);
    });
    const onDeath = (cause?: Error): void => {
      if (worker !== this.#worker) return;
      const message = 'The upload could not be read: the index thread died. Send it again.';
      this.#fail(new UploadInterrupted(message, { cause }));
    };
    worker.on('error', onDeath);
    // Also without an error, if something in it ended it.
    worker.on('exit', () => onDeath());
    return worker;
  }

  #fail(error: Error): void {
    this.#worker = null;
    this.#inFlight = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.fail(error);
    for (const { reject } of waiting) reject(error);
  }
}

interface WaitingChunk {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface PassSettings {
  readonly kind: PassKind;
  readonly maxLineBytes: number | undefined;
}

interface ThreadOfStream {
  readonly attach: (stream: ContentStream) => void;
  readonly detach: (stream: ContentStream) => void;
  readonly admit: (bytes: number) => Promise<void>;
  readonly send: (command: PassCommand) => void;
}

/** One upload's content on its way through a `ContentPass`, in place while it is small. */
export class ContentStream {
  readonly id: number;
  readonly #pass: PassSettings;
  readonly #thread: ThreadOfStream;
  /** The content so far, while it is small enough to be read in place; null once it goes to the thread. */
  #held: Uint8Array<ArrayBuffer>[] | null = [];
  #heldBytes = 0;
  #cuts: Uint8Array[] = [];
  #failure: Error | null = null;
  #finishing: PromiseWithResolvers<PassResult> | null = null;

  constructor(pass: PassSettings, id: number, thread: ThreadOfStream) {
    this.#pass = pass;
    this.id = id;
    this.#thread = thread;
  }

  /** Takes a copy of the chunk. Resolves when the next may come; one call at a time. Rejects if the thread died. */
  async push(chunk: Uint8Array): Promise<void> {
    this.#throwIfFailed();
    if (this.#held !== null && this.#heldBytes + chunk.byteLength <= IN_PLACE_BYTES) {
      this.#held.push(copyOf(chunk));
      this.#heldBytes += chunk.byteLength;
      return;
    }
    if (this.#held !== null) await this.#moveToThread(this.#held);
    await this.#send(chunk);
  }

  /** What of the cuts is there since it was asked for last; what is kept of them behind `finish` comes before those of its result. */
  takeCuts(): readonly Uint8Array[] {
    const taken = this.#cuts;
    this.#cuts = [];
    return taken;
  }

  async finish(): Promise<PassResult> {
    this.#throwIfFailed();
    if (this.#held !== null) {
      const pass = new ContentPass(this.#pass.kind, this.#pass.maxLineBytes);
      for (const chunk of this.#held) pass.push(chunk);
      return pass.finish();
    }
    this.#finishing = Promise.withResolvers();
    this.#thread.send({ stream: this.id, kind: 'finish' });
    return this.#finishing.promise;
  }

  /** Forgets the upload. Idempotent, also after `finish`. */
  drop(): void {
    if (this.#held === null) {
      this.#thread.send({ stream: this.id, kind: 'drop' });
      this.#thread.detach(this);
    }
    this.#held = [];
  }

  receive(report: PassReport): void {
    if (report.kind === 'read') {
      if (report.cuts !== null) this.#cuts.push(report.cuts);
      return;
    }
    this.#thread.detach(this);
    this.#finishing?.resolve(report.result);
  }

  fail(error: Error): void {
    this.#failure = error;
    this.#finishing?.reject(error);
  }

  async #moveToThread(held: readonly Uint8Array[]): Promise<void> {
    this.#held = null;
    this.#thread.attach(this);
    const { kind: pass, maxLineBytes } = this.#pass;
    this.#thread.send({ stream: this.id, kind: 'open', pass, maxLineBytes });
    for (const chunk of held) await this.#send(chunk);
  }

  async #send(chunk: Uint8Array): Promise<void> {
    await this.#thread.admit(chunk.byteLength);
    this.#throwIfFailed();
    this.#thread.send({ stream: this.id, kind: 'chunk', bytes: copyOf(chunk) });
  }

  #throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure;
  }
}

/** Not slice(), which on a Buffer makes a view: the copy's buffer is handed over to the thread whole. */
function copyOf(chunk: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(chunk);
}
