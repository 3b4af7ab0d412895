import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { BatchRecord, NewBatch } from '@bora/server/storage/ports/batch-records';
import type { BlobRef, ObjectRange } from '@bora/server/storage/ports/blobs';
import type { Database } from '@bora/server/storage/ports/database';
import type { FileRecord, NewFile } from '@bora/server/storage/ports/file-records';
import type {
  FoldedRow,
  JournalRow,
  Outcome,
  OutcomeSums,
  ShardLease,
} from '@bora/server/storage/ports/journal';
import type { NewShard, ResultFiles, Task } from '@bora/server/storage/ports/plan-and-finalise';
import type {
  ClaimedShard,
  ResultPart,
  ShardClaim,
  ShardCommit,
} from '@bora/server/storage/ports/shard-queue';
import type { SimulatedClock } from '../../simulated-clock.ts';

/** An empty database under test, on a clock that the test advances; disposing closes and removes it. */
export interface OpenedDatabase extends AsyncDisposable {
  readonly database: Database;
  readonly clock: SimulatedClock;
  /** Closes the database and opens it again, as a new process would. */
  reopen(): Promise<Database>;
}

export type OpenDatabase = () => Promise<OpenedDatabase>;

export const ENDPOINT = '/v1/chat/completions';
export const NO_LIMITS = { maxPendingRequests: null, maxActiveJobs: null };
export const DAY_MS = 24 * 60 * 60 * 1000;

/** A database with a workspace, an open session and short ways to what tests start from. */
export class DatabaseWorld implements AsyncDisposable {
  readonly #opened: OpenedDatabase;
  readonly clock: SimulatedClock;
  readonly workspaceId: string;
  database: Database;
  session: string;

  private constructor(opened: OpenedDatabase, workspaceId: string, session: string) {
    this.#opened = opened;
    this.clock = opened.clock;
    this.database = opened.database;
    this.workspaceId = workspaceId;
    this.session = session;
  }

  static async open(open: OpenDatabase): Promise<DatabaseWorld> {
    const opened = await open();
    const { id } = await opened.database.defaultWorkspace();
    return new DatabaseWorld(opened, id, await opened.database.openSession());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]();
  }

  /** As after a restart: the database is opened anew, and the old session is of an older boot. */
  async restart(): Promise<void> {
    this.database = await this.#opened.reopen();
    this.session = await this.database.openSession();
  }

  async workspace(name: string): Promise<string> {
    const id = randomUUID();
    const key = await this.database.createKey({ id, workspace: name, name, hash: id, prefix: 'bora' });
    return key.workspaceId;
  }

  /** A blob of the given length, as if the session had written it. */
  async blob(length: number, session = this.session): Promise<ObjectRange> {
    const [name] = await this.database.reserveBlobs(session, 1);
    return { kind: 'object', name, offset: 0, length, checksum: '00000000' };
  }

  createFile(file: Partial<NewFile> = {}, maxStoredBytes: number | null = null): Promise<FileRecord> {
    const whole = newFile({ workspaceId: this.workspaceId, ...file });
    return this.database.createFile(whole, this.session, undefined, maxStoredBytes);
  }

  /** A batch in `validating`; with an input file of its own if none is given. */
  async createBatch(batch: Partial<NewBatch> = {}): Promise<BatchRecord> {
    const workspaceId = batch.workspaceId ?? this.workspaceId;
    const inputFileIds = batch.inputFileIds ?? [(await this.createFile({ workspaceId })).id];
    const created = await this.database.createBatch(
      newBatch({ ...batch, workspaceId, inputFileIds }),
      NO_LIMITS,
    );
    assert.equal(created.kind, 'created');
    return (created as { batch: BatchRecord }).batch;
  }

  /** A batch in `queued`, cut into shards of `count` requests and 400 bytes each. */
  async plannedBatch(
    { shards, count = 2 }: { shards: number; count?: number },
    batch: Partial<NewBatch> = {},
  ): Promise<BatchRecord> {
    const { id, workspaceId } = await this.createBatch(batch);
    const task = await this.claimTask('plan', id);
    assert.ok(await this.database.addShards(task, newShards(shards, count)));
    const plan = { totalRequests: shards * count, routes: batch.routes ?? null };
    assert.ok(await this.database.finishPlan(task, plan));
    return this.batch(id, workspaceId);
  }

  async batch(batchId: string, workspaceId = this.workspaceId): Promise<BatchRecord> {
    const found = await this.database.getBatch(workspaceId, batchId);
    assert.ok(found !== null, `There is no batch ${batchId}.`);
    return found;
  }

  /** The next task, which must be this one. */
  async claimTask(kind: Task['kind'], subjectId: string): Promise<Task> {
    const task = await this.database.claimTask(this.session);
    assert.deepEqual([task?.kind, task?.subjectId], [kind, subjectId]);
    return task!;
  }

  claim(claim: Partial<ShardClaim> = {}): Promise<ClaimedShard[]> {
    return this.database.claimShards({
      session: this.session,
      routes: 'any',
      limit: 100,
      perBatch: 100,
      ...claim,
    });
  }

  leaseOf({ id, epoch }: ClaimedShard, session = this.session): ShardLease {
    return { shardId: id, epoch, session };
  }

  /** Journals an outcome for each ordinal in one row. */
  async journal(
    shard: ClaimedShard,
    sequence: number,
    outcomes: readonly Partial<Outcome>[],
    session = this.session,
  ): Promise<'accepted' | 'fenced'> {
    const [result] = await this.database.appendJournal(session, [journalRow(shard, sequence, outcomes)]);
    return result;
  }

  /** Folds what the database still holds of a shard's rows into one object, and answers what it folded. */
  async fold(shard: ClaimedShard, session = this.session): Promise<FoldedRow[]> {
    const lease = this.leaseOf(shard, session);
    const index = (await this.database.readJournalIndex(lease)) ?? [];
    const unfolded = index.filter(({ blob, length }) => blob === null && length > 0);
    const rows = await this.foldedRows(unfolded, session);
    assert.equal(await this.database.foldJournal(lease, rows), 'folded');
    return rows;
  }

  /** The rows' places in one object that holds them back to back. */
  async foldedRows(
    rows: readonly { readonly epoch: number; readonly sequence: number; readonly length: number }[],
    session = this.session,
  ): Promise<FoldedRow[]> {
    const whole = await this.blob(
      rows.reduce((sum, { length }) => sum + length, 0),
      session,
    );
    let offset = 0;
    return rows.map(({ epoch, sequence, length }) => {
      const blob = { ...whole, offset, length };
      offset += length;
      return { epoch, sequence, blob };
    });
  }

  async commit(
    shard: ClaimedShard,
    lines: LineCounts,
    session = this.session,
  ): Promise<'committed' | 'fenced'> {
    const [result] = await this.database.commitShards(session, [shardCommit(shard, lines)]);
    return result;
  }

  /** Journals each request of the shard as succeeded and commits it. */
  async finishShard(shard: ClaimedShard): Promise<void> {
    assert.equal(await this.journal(shard, 0, ordinalsOf(shard)), 'accepted');
    assert.equal(await this.commit(shard, { output: shard.count }), 'committed');
  }

  async finalise(batchId: string, files = resultFiles()): Promise<BatchRecord> {
    const task = await this.claimTask('finalise', batchId);
    assert.notEqual(await this.database.finalise(task, files), null);
    return this.batch(batchId);
  }

  /** Runs tasks until none is left, answering what purges said. */
  async runPurges(limit = 100): Promise<string[]> {
    const answers: string[] = [];
    for (let task = await this.database.claimTask(this.session); task !== null;) {
      const answer = await this.database.purge(task, limit);
      answers.push(answer);
      if (answer === 'more') continue;
      if (answer === 'in-use') await this.database.returnTask(task, DAY_MS);
      task = await this.database.claimTask(this.session);
    }
    return answers;
  }
}

export interface LineCounts {
  readonly output?: number;
  readonly error?: number;
  readonly errors?: Readonly<Record<string, number>>;
  readonly unjournaled?: OutcomeSums;
  readonly drained?: number;
}

export function newFile(file: Partial<NewFile> & { workspaceId: string }): NewFile {
  return {
    id: randomUUID(),
    filename: 'requests.jsonl',
    purpose: 'batch',
    sampleType: 'batch_request',
    source: 'upload',
    mimetype: 'application/jsonl',
    bytes: 4,
    numLines: 1,
    signature: null,
    visibility: 'workspace',
    expireMs: null,
    createdBy: null,
    lineIndex: null,
    manifest: [inline('{}\n\n')],
    cuts: null,
    ...file,
  };
}

export function newBatch(
  batch: Partial<NewBatch> & { workspaceId: string; inputFileIds: readonly string[] },
): NewBatch {
  return {
    id: randomUUID(),
    dialect: 'mistral',
    endpoint: ENDPOINT,
    model: 'm',
    agentId: null,
    metadata: null,
    timeoutMs: DAY_MS,
    inline: false,
    totalRequests: null,
    routes: null,
    priority: 0,
    createdBy: null,
    ...batch,
  };
}

export function newShards(shards: number, count: number): NewShard[] {
  return Array.from({ length: shards }, (_, number) => ({
    number,
    firstOrdinal: number * count,
    count,
    input: 0,
    start: number * 400,
    length: 400,
    firstLine: number * count + 1,
  }));
}

export function inline(text: string): BlobRef & { kind: 'inline' } {
  return { kind: 'inline', bytes: Buffer.from(text) };
}

export function outcome(given: Partial<Outcome>): Outcome {
  return {
    ordinal: 0,
    kind: 'succeeded',
    length: given.blob ? 0 : 4,
    blob: null,
    error: null,
    inputTokens: 3,
    outputTokens: 5,
    ...given,
  };
}

export function ordinalsOf({ firstOrdinal, count }: ClaimedShard): Pick<Outcome, 'ordinal'>[] {
  return Array.from({ length: count }, (_, place) => ({ ordinal: firstOrdinal + place }));
}

/** A row whose lines are four bytes each: the ordinal, padded, and a line break. */
export function journalRow(
  { id: shardId, epoch }: ClaimedShard,
  sequence: number,
  outcomes: readonly Partial<Outcome>[],
): JournalRow {
  const whole = outcomes.map(outcome);
  const lines = whole.map(({ ordinal, length }) => (length === 0 ? '' : `${String(ordinal).padStart(3)}\n`));
  return { shardId, epoch, sequence, outcomes: whole, bytes: Buffer.from(lines.join('')) };
}

export function shardCommit(
  { id: shardId, epoch }: ClaimedShard,
  { output = 0, error = 0, errors = {}, unjournaled, drained }: LineCounts,
): ShardCommit {
  const part = (kind: ResultPart['kind'], lines: number): ResultPart[] =>
    lines === 0 ? [] : [{ kind, lines, blob: inline(`${shardId}\n`.repeat(lines)) }];
  const parts = [...part('output', output), ...part('error', error)];
  return { shardId, epoch, parts, errors, ...(unjournaled && { unjournaled }), ...(drained && { drained }) };
}

export function resultFiles(): ResultFiles {
  return {
    outputFileId: randomUUID(),
    errorFileId: randomUUID(),
    outputFilename: 'output.jsonl',
    errorFilename: 'error.jsonl',
  };
}
