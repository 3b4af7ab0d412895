import { errorBody } from '../batches/lines/line-bytes.ts';
import { lineFormatOf } from '../batches/lines/line-format.ts';
import { fileMemberOf } from '../bytes/named-files.ts';
import { spliceBody } from '../bytes/splice-body.ts';
import type { BlobNamePool } from '../files/blob-names.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { ReachStopPoint } from '../observe/stop-points.ts';
import type { BlobStore } from '../storage/ports/blobs.ts';
import type { Attempts } from '../storage/ports/attempts.ts';
import type { Outcome } from '../storage/ports/journal.ts';
import type { AttemptRequest, Slot, Upstreams, Verdict } from '../upstreams/upstreams.ts';
import type { AttemptLog } from './attempt-log.ts';
import { SpilledLine } from './answer-spill.ts';
import type { JournalWriter } from './journal-writer.ts';
import type { Lanes } from './lanes.ts';
import { ContentUnreadable } from './line-content.ts';
import type { LineContent } from './line-content.ts';
import { contentBytes, sendWithContent } from './line-sender.ts';
import { aboutShard, type BadRequest, type OpenShard } from './open-shard.ts';
import { unreadable } from './open-shards.ts';
import type { OpenShards } from './open-shards.ts';
import { isSuspectedOfDeaths, type Request } from './request.ts';
import type { RoomWatch } from './room-watch.ts';
import type { StorageTrouble } from './storage-trouble.ts';

const NO_LINE = new Uint8Array();

export interface SenderOptions {
  readonly upstreams: Upstreams;
  readonly room: RoomWatch;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly reachStopPoint: ReachStopPoint;
  readonly names: BlobNamePool;
  readonly lanes: Lanes;
  readonly content: LineContent;
  readonly journal: JournalWriter;
  readonly shards: OpenShards;
  readonly trouble: StorageTrouble;
  readonly attempts: AttemptLog;
  readonly database: Pick<Attempts, 'markSending'>;
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
  /** The request in flight is to stay the only one of this worker. */
  #isAlone = false;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Of request bodies, and of what is read to send with them. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Sends what can be sent. To be called at each event that may allow more: a slot freed, requests read, the journal caught up. */
  pump(): void {
    const { lanes, journal, room, upstreams, stopping, onSent } = this.#options;
    if (this.#isPumping || this.#isAlone || room.isShort || stopping.aborted) return;
    this.#isPumping = true;
    if (lanes.suspects > 0 && this.#sendSuspects(false)) {
      this.#isPumping = false;
      return;
    }
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
    // What has just come back is tried with others first: a suspect that crashes it each time would keep it from ever answering.
    if (lanes.suspects > 0) this.#sendSuspects(true);
    this.#isPumping = false;
    onSent();
  }

  /** A line that is bad, or that workers died over, ends as failed without being sent. */
  failUnsent(shard: OpenShard, bad: BadRequest): void {
    const { batch, fileId } = shard.work;
    const [status, type, counted] =
      bad.code === 'poison'
        ? ([502, 'upstream_error', 'Bora died each time it worked on this request.'] as const)
        : ([422, 'invalid_request_error', 'Invalid line'] as const);
    const { code, message } = bad;
    const line = lineFormatOf(batch.dialect).failure(batch, fileId, bad, {
      status,
      body: errorBody(message, type, code),
      unanswered: { code, message },
    });
    this.#options.journal.add(shard, failedOutcome(bad.ordinal, line, counted), line);
  }

  /** True if nothing else may be sent now: a suspect is alone in this worker, or could be once what is in flight has ended. */
  #sendSuspects(onTrial: boolean): boolean {
    const { lanes, upstreams, journal } = this.#options;
    for (const route of lanes.routes()) {
      for (let request = lanes.suspect(route); request !== null; request = lanes.suspect(route)) {
        const slot = journal.isFull ? null : upstreams.tryAcquireAlone(route, request.body.length, onTrial);
        if (slot === null) break;
        const mustBeAlone = isSuspectedOfDeaths(request);
        if (mustBeAlone && this.#inFlight > 0) {
          slot.release();
          return true;
        }
        lanes.takeSuspect(request);
        this.#isAlone = mustBeAlone;
        void this.#send(request, slot);
        if (mustBeAlone) return true;
      }
    }
    return false;
  }

  async #send(request: Request, slot: Slot): Promise<void> {
    const { blobs, names, log, reachStopPoint, shards, trouble, content } = this.#options;
    const { shard } = request;
    const { batch } = shard.work;
    const member = fileMemberOf(batch.endpoint);
    const bytes = request.body.length + (member === null ? 0 : contentBytes(request.body, member));
    const model = slot.renamed ?? batch.model;
    let spill: SpilledLine | null = null;
    shard.inFlight += 1;
    this.#inFlight += 1;
    this.#inFlightBytes += bytes;
    try {
      if (shard.isWatched && !(await this.#mark(request, slot))) return;
      const attempt: AttemptRequest = {
        endpoint: batch.endpoint,
        route: request.route,
        body: spliceBody(request.body, model === null ? {} : { model }),
        faults: request.faults,
        crashes: request.crashes,
        openSpill: async (status) => {
          spill = await SpilledLine.open(request, status, { blobs, names });
          return spill;
        },
      };
      const verdict = await (member === null
        ? slot.send(attempt, shard.aborted)
        : sendWithContent(content, member, attempt, shard, slot));
      const held = reachStopPoint('dispatch.answered');
      if (held !== undefined) await held;
      this.#settle(request, verdict, spill);
    } catch (error) {
      if (!shard.aborted.aborted) {
        log.error({ ...aboutShard(shard.work), err: error }, 'an attempt ended in an error of our own');
        if (!(error instanceof ContentUnreadable)) trouble.lost(shard, error);
        else if (!shard.isStopped) {
          shard.parkedFor = unreadable('named file', error);
          shards.stop(shard);
        }
      }
    } finally {
      shard.inFlight -= 1;
      this.#inFlight -= 1;
      this.#inFlightBytes -= bytes;
      shards.advance(shard);
      if (this.#isAlone && this.#inFlight === 0) {
        this.#isAlone = false;
        this.pump();
      }
    }
  }

  /** Writes down that this request is sent next, or that none is. False if the lease is gone; the slot is given back then. */
  async #mark(request: Request, slot: Slot): Promise<boolean> {
    const { database, shards } = this.#options;
    const { shard, ordinal } = request;
    try {
      if (await database.markSending(shard.lease, ordinal)) return true;
    } catch (error) {
      slot.release();
      throw error;
    }
    slot.release();
    shards.drop(shard, 'The lease is gone.');
    return false;
  }

  #settle(request: Request, verdict: Verdict, spill: SpilledLine | null): void {
    const { journal, lanes, trouble, attempts, database } = this.#options;
    const { shard, ordinal } = request;
    const { batch, fileId } = shard.work;
    const format = lineFormatOf(batch.dialect);
    if (shard.isClosed) {
      void spill?.abandon();
      return;
    }
    if (shard.isLone && verdict.kind !== 'retry') lanes.next(shard);
    switch (verdict.kind) {
      case 'succeeded': {
        const line =
          verdict.body === null
            ? NO_LINE
            : format.success(batch, fileId, request, verdict.status, verdict.body);
        const { inputTokens, outputTokens, cachedTokens, reasoningTokens } = verdict;
        const blob = verdict.body === null ? (spill?.blob ?? null) : null;
        if (blob !== null) trouble.stored(shard);
        journal.add(
          shard,
          {
            ordinal,
            kind: 'succeeded',
            length: line.length,
            blob,
            error: null,
            inputTokens,
            outputTokens,
            cachedTokens,
            reasoningTokens,
          },
          line,
        );
        return;
      }
      case 'failed': {
        const line = format.failure(batch, fileId, request, verdict);
        if (verdict.isPoison) lanes.clearOfCrashes(request.route);
        journal.add(shard, failedOutcome(ordinal, line, verdict.reason), line);
        return;
      }
      case 'retry':
        if (verdict.countsAgainstLine) request.faults += 1;
        if (verdict.crashed) request.crashes += 1;
        if (verdict.countsAgainstLine || verdict.crashed) attempts.note(request);
        // A mark that stays because this fails ends with the next one, or with the lease.
        if (shard.isWatched) database.markSending(shard.lease, null).catch(() => undefined);
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
