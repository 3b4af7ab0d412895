import { DatabaseWorld, resultFiles } from '@bora/testkit/contracts/database/database-world';
import { openEmptySqlite } from '@bora/testkit/contracts/database/open-empty-sqlite';
import { SimulatedDisk } from '@bora/testkit/simulated-disk';
import { assembleResults } from '../src/batches/assemble-results.ts';
import { Budget } from '../src/batches/budget.ts';
import { JournalFolds } from '../src/batches/journal-folds.ts';
import { readPartialResults } from '../src/batches/partial-results.ts';
import { BlobNamePool } from '../src/files/blob-names.ts';
import { Collector } from '../src/files/collector.ts';
import { readFileRange } from '../src/files/content.ts';
import { BlobOutput } from '../src/files/write-blob.ts';
import { silentLog } from '../src/observe/log.ts';
import { passStopPoints } from '../src/observe/stop-points.ts';
import { openDiskBlobStore } from '../src/storage/disk/disk-blob-store.ts';
import type { BlobStore } from '../src/storage/ports/blobs.ts';
import type { Outcome } from '../src/storage/ports/journal.ts';
import type { ClaimedShard, ResultPart } from '../src/storage/ports/shard-queue.ts';

const HOUR_MS = 3_600_000;
const LINE_BREAK = 0x0a;

/** What a request is answered with. */
export interface Answer {
  readonly ordinal: number;
  readonly kind: Outcome['kind'];
  /** Of the text in its line. */
  readonly characters: number;
  /** Its line lies in an object of its own, as a long one does. */
  readonly isSpilled: boolean;
}

/** One batch whose shards are all held here, on SQLite and a disk in memory: what becomes of them, and when, is the test's. */
export class ResultWorld implements AsyncDisposable {
  readonly #names: BlobNamePool;
  readonly #folds: JournalFolds;
  readonly #sequences = new Map<number, number>();
  readonly world: DatabaseWorld;
  readonly blobs: BlobStore;
  readonly batchId: string;
  /** Those that are not committed. */
  readonly open: ClaimedShard[];
  /** Kind of the outcome of each request that has one in the journal, or had. */
  readonly journaled = new Map<number, Outcome['kind']>();

  private constructor(world: DatabaseWorld, blobs: BlobStore, batchId: string, open: ClaimedShard[]) {
    this.world = world;
    this.blobs = blobs;
    this.batchId = batchId;
    this.open = open;
    const { database, session } = world;
    const names = new BlobNamePool(database, session);
    this.#names = names;
    this.#folds = new JournalFolds({
      database,
      blobs,
      names,
      log: silentLog,
      reachStopPoint: passStopPoints,
    });
  }

  static openDatabase(): Promise<DatabaseWorld> {
    return DatabaseWorld.open(() => openEmptySqlite());
  }

  /** In a database of its own. */
  static async start(shards: number, count: number): Promise<ResultWorld> {
    return ResultWorld.begin(await ResultWorld.openDatabase(), shards, count);
  }

  /** Where nothing else is to be claimed. */
  static async begin(world: DatabaseWorld, shards: number, count: number): Promise<ResultWorld> {
    const blobs = await openDiskBlobStore(new SimulatedDisk());
    const { id } = await world.plannedBatch({ shards, count });
    return new ResultWorld(world, blobs, id, await world.claim());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }

  /** In one row of the shard. */
  async journal(shard: ClaimedShard, answers: readonly Answer[]): Promise<void> {
    const { id: shardId, epoch } = shard;
    const sequence = this.#sequences.get(shardId) ?? 0;
    this.#sequences.set(shardId, sequence + 1);
    const outcomes = await Promise.all(answers.map((answer) => this.#outcomeOf(answer)));
    const bytes = Buffer.concat(answers.map((answer) => (answer.isSpilled ? Buffer.of() : lineOf(answer))));
    await this.world.database.appendJournal(this.world.session, [
      { shardId, epoch, sequence, outcomes, bytes },
    ]);
    for (const { ordinal, kind } of answers) this.journaled.set(ordinal, kind);
  }

  fold(shard: ClaimedShard): Promise<void> {
    return this.#folds.fold(this.world.leaseOf(shard), new AbortController().signal);
  }

  /** Commits the shard; requests without an outcome in the journal are answered at once, past it. */
  async commit(shard: ClaimedShard): Promise<void> {
    const { database, session } = this.world;
    const last = this.unanswered(shard).map((ordinal) => answerOf({ ordinal, characters: 10 }));
    const lease = this.world.leaseOf(shard);
    const results = await assembleResults(
      { database, blobs: this.blobs },
      lease,
      new Budget(1_000_000),
      () => new BlobOutput({ blobs: this.blobs, names: this.#names }),
      {
        sequence: 1_000,
        outcomes: await Promise.all(last.map((answer) => this.#outcomeOf(answer))),
        lines: last.map(lineOf),
        isWhole: false,
        settle: () => {},
      },
    );
    const [answer] = await database.commitShards(session, [{ ...lease, ...results! }]);
    if (answer !== 'committed') throw new Error(`The shard is ${answer}.`);
    this.open.splice(this.open.indexOf(shard), 1);
  }

  unanswered({ firstOrdinal, count }: ClaimedShard): number[] {
    return Array.from({ length: count }, (_, place) => firstOrdinal + place).filter(
      (ordinal) => !this.journaled.has(ordinal),
    );
  }

  /** Once all shards are committed. */
  async finalise(): Promise<void> {
    await this.world.finalise(this.batchId, resultFiles());
  }

  /** Deletes the bytes of what nothing names any more, twice the hour later that they are kept. */
  async collect(): Promise<void> {
    const { database, clock } = this.world;
    await clock.advance(2 * HOUR_MS);
    await new Collector({ database, blobs: this.blobs, clock, log: silentLog }).runOnce();
  }

  read(kind: ResultPart['kind'], pageBytes?: number, blobs = this.blobs): AsyncGenerator<Uint8Array> {
    const { database, workspaceId } = this.world;
    return readPartialResults({ database, blobs }, { workspaceId, id: this.batchId }, kind, pageBytes);
  }

  /** The lines of a result file of the ended batch. */
  async fileLines(kind: ResultPart['kind']): Promise<string[]> {
    const { database, workspaceId } = this.world;
    const { outputFileId, errorFileId } = await this.world.batch(this.batchId);
    const fileId = kind === 'output' ? outputFileId : errorFileId;
    if (fileId === null) return [];
    const { bytes } = (await database.getFile(workspaceId, fileId, null))!;
    const chunks = await Array.fromAsync(readFileRange({ database, blobs: this.blobs }, fileId, 0, bytes));
    return linesOf(chunks);
  }

  async #outcomeOf(answer: Answer): Promise<Outcome> {
    const { ordinal, kind, isSpilled } = answer;
    const line = lineOf(answer);
    const error = kind === 'failed' ? 'no' : null;
    const counted = { ordinal, kind, error, inputTokens: 1, outputTokens: 1 };
    if (!isSpilled) return { ...counted, length: line.length, blob: null };
    const writer = await this.blobs.create(await this.#names.take());
    await writer.write(line);
    return { ...counted, length: 0, blob: { kind: 'object', offset: 0, ...(await writer.finish()) } };
  }
}

export function answerOf(answer: Partial<Answer>): Answer {
  return { ordinal: 0, kind: 'succeeded', characters: 100, isSpilled: false, ...answer };
}

function lineOf({ ordinal, characters }: Pick<Answer, 'ordinal' | 'characters'>): Buffer {
  return Buffer.from(`{"id":"batch-0000aaaa-0000bbbb-${ordinal}","text":"${'x'.repeat(characters)}"}\n`);
}

/** With their line breaks; the last without one if it was cut. */
export function linesOf(chunks: readonly Uint8Array[]): string[] {
  const bytes = Buffer.concat(chunks);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(LINE_BREAK, at);
    lines.push(bytes.toString('utf8', at, end < 0 ? bytes.length : end + 1));
    at = end < 0 ? bytes.length : end + 1;
  }
  return lines;
}

export function ordinalOf(line: string): number {
  return Number(/-(\d+)"/.exec(line)?.[1]);
}
