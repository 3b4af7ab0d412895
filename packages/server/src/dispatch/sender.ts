import { errorBody, failureLine, successLine } from '../batches/result-line.ts';
import { spliceBody } from '../bytes/splice-body.ts';
import type { BlobNamePool } from '../files/blob-names.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { ReachStopPoint } from '../observe/stop-points.ts';
import type { BlobStore } from '../storage/ports/blobs.ts';
import type { Outcome } from '../storage/ports/journal.ts';
import type { Slot, Upstreams, Verdict } from '../upstreams/upstreams.ts';
import { SpilledLine } from './answer-spill.ts';
import type { JournalWriter } from './journal-writer.ts';
import type { Lanes } from './lanes.ts';
import { aboutShard, type BadRequest, type OpenShard } from './open-shard.ts';
import type { OpenShards } from './open-shards.ts';
import type { Request } from './request.ts';
import type { StorageTrouble } from './storage-trouble.ts';

const NO_LINE = new Uint8Array();

export interface SenderOptions {
  readonly upstreams: Upstreams;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly reachStopPoint: ReachStopPoint;
  readonly names: BlobNamePool;
  readonly lanes: Lanes;
  readonly journal: JournalWriter;
  readonly shards: OpenShards;
  readonly trouble: StorageTrouble;
  /** Sends nothing more once it aborts; what is in flight goes on. */
  readonly stopping: AbortSignal;
  /** Called when the lanes may have run low. */
  readonly onSent: () => void;
}

/** Moves requests from the lanes to free slots, and their answers to the journal. */
export class Sender {
  readonly #options: SenderOptions;
  #inFlight = 0;
  #inFlightBytes = 0;
  #isPumping = false;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Of request bodies. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Sends what can be sent. To be called at each event that may allow more: a slot freed, requests read, the journal caught up. */
  pump(): void {
    const { lanes, journal, upstreams, stopping, onSent } = this.#options;
    if (this.#isPumping || stopping.aborted) return;
    this.#isPumping = true;
    // One request per lane and round, so that lanes that share an upstream share its window.
    for (let sent = true; sent;) {
      sent = false;
      for (const route of lanes.routes()) {
        if (!lanes.isReady(route)) continue;
        if (journal.isFull) break;
        const slot = upstreams.tryAcquire(route, lanes.nextBytes(route));
        if (slot === null) continue;
        const request = slot.onTrial ? lanes.takeAnywhere(route) : lanes.take(route);
        if (request === null) {
          slot.release();
          continue;
        }
        void this.#send(request, slot);
        sent = true;
      }
    }
    this.#isPumping = false;
    onSent();
  }

  /** A bad line ends as failed without being sent. */
  failUnsent(shard: OpenShard, bad: BadRequest): void {
    const { batch, fileId } = shard.work;
    const body = errorBody(bad.message, 'invalid_request_error', 'invalid_line');
    const line = failureLine(batch, fileId, bad, 422, body);
    this.#options.journal.add(shard, failedOutcome(bad.ordinal, line, 'Invalid line'), line);
  }

  async #send(request: Request, slot: Slot): Promise<void> {
    const { blobs, names, log, reachStopPoint, shards, trouble } = this.#options;
    const { shard } = request;
    const { batch } = shard.work;
    const model = slot.renamed ?? batch.model;
    let spill: SpilledLine | null = null;
    shard.inFlight += 1;
    this.#inFlight += 1;
    this.#inFlightBytes += request.body.length;
    try {
      const verdict = await slot.send(
        {
          endpoint: batch.endpoint,
          route: request.route,
          body: spliceBody(request.body, model === null ? {} : { model }),
          faults: request.faults,
          openSpill: async (status) => {
            spill = await SpilledLine.open(request, status, { blobs, names });
            return spill;
          },
        },
        shard.aborted,
      );
      const held = reachStopPoint('dispatch.answered');
      if (held !== undefined) await held;
      this.#settle(request, verdict, spill);
    } catch (error) {
      if (!shard.aborted.aborted) {
        log.error({ ...aboutShard(shard.work), err: error }, 'an attempt ended in an error of our own');
        trouble.lost(shard, error);
      }
    } finally {
      shard.inFlight -= 1;
      this.#inFlight -= 1;
      this.#inFlightBytes -= request.body.length;
      shards.advance(shard);
    }
  }

  #settle(request: Request, verdict: Verdict, spill: SpilledLine | null): void {
    const { journal, lanes, trouble } = this.#options;
    const { shard, ordinal } = request;
    const { batch, fileId } = shard.work;
    if (shard.isClosed) {
      void spill?.abandon();
      return;
    }
    if (shard.isLone && verdict.kind !== 'retry') lanes.next(shard);
    switch (verdict.kind) {
      case 'succeeded': {
        const line =
          verdict.body === null ? NO_LINE : successLine(batch, fileId, request, verdict.status, verdict.body);
        const { inputTokens, outputTokens } = verdict;
        const blob = verdict.body === null ? (spill?.blob ?? null) : null;
        if (blob !== null) trouble.stored(shard);
        journal.add(
          shard,
          { ordinal, kind: 'succeeded', length: line.length, blob, error: null, inputTokens, outputTokens },
          line,
        );
        return;
      }
      case 'failed': {
        const line = failureLine(batch, fileId, request, verdict.status, verdict.body);
        journal.add(shard, failedOutcome(ordinal, line, verdict.reason), line);
        return;
      }
      case 'retry':
        if (verdict.countsAgainstLine) {
          request.faults += 1;
          shard.hasCounts = true;
        }
        this.#retryLater(request, verdict.afterMs);
    }
  }

  #retryLater(request: Request, afterMs: number): void {
    const { lanes, clock, stopping } = this.#options;
    const { shard } = request;
    if (shard.isClosed || shard.isStopped || stopping.aborted) return;
    lanes.delay(request);
    clock.after(afterMs, () => {
      if (lanes.resume(request)) this.pump();
    });
  }
}

function failedOutcome(ordinal: number, line: Uint8Array, error: string): Outcome {
  return { ordinal, kind: 'failed', length: line.length, blob: null, error, inputTokens: 0, outputTokens: 0 };
}
