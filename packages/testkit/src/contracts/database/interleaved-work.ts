import assert from 'node:assert/strict';
import type { JournalRow, Outcome } from '@bora/server/storage/ports/journal';
import type { ClaimedShard, ResultPart } from '@bora/server/storage/ports/shard-queue';
import { DAY_MS, inline, journalRow, resultFiles, type DatabaseWorld } from './database-world.ts';
import { PageReader } from './page-reader.ts';

/** What the database must hold of a batch: the outcome of each ordinal that was accepted, and what ended it. */
interface BatchModel {
  readonly id: string;
  readonly total: number;
  readonly outcomes: Map<number, Outcome['kind']>;
  isStopped: boolean;
  isEnded: boolean;
}

interface Lease {
  readonly shard: ClaimedShard;
  readonly session: string;
  readonly batch: BatchModel;
  sequence: number;
}

/**
 * Two sessions at work on a few batches, beside a small model of what must come of it. Each step picks among what is possible at the
 * time, so any list of steps is a run. What the database answers is checked at each step against the model.
 */
export class InterleavedWork {
  readonly #world: DatabaseWorld;
  readonly #batches: BatchModel[] = [];
  #sessions: string[];
  #held: Lease[] = [];
  /** Leases that ended: whatever is written under them must be refused. */
  readonly #lost: Lease[] = [];
  readonly #readers: PageReader[] = [];
  readonly #accepted: { readonly session: string; readonly row: JournalRow; readonly lease: Lease }[] = [];

  constructor(world: DatabaseWorld) {
    this.#world = world;
    this.#sessions = [world.session];
  }

  async addBatch(shards: number, count: number): Promise<void> {
    const { id } = await this.#world.plannedBatch({ shards, count });
    this.#batches.push({ id, total: shards * count, outcomes: new Map(), isStopped: false, isEnded: false });
    if (this.#sessions.length < 2) this.#sessions.push(await this.#world.database.openSession());
  }

  async claim(session: number, limit: number): Promise<void> {
    const by = at(this.#sessions, session);
    await this.#take(by, await this.#world.claim({ session: by, limit }), false);
  }

  async drain(session: number): Promise<void> {
    const by = at(this.#sessions, session);
    await this.#world.database.drainUntouched(1);
    await this.#take(by, await this.#world.database.claimDrain(by, 1), true);
  }

  async journal(pick: number, succeeds: readonly boolean[]): Promise<void> {
    const lease = at(this.#held, pick);
    if (lease === undefined) return;
    const ordinals = this.#unanswered(lease).slice(0, succeeds.length);
    if (ordinals.length === 0) return;
    const outcomes = ordinals.map((ordinal, place) => ({ ordinal, kind: kindOf(succeeds[place]) }));
    const row = journalRow(lease.shard, lease.sequence++, outcomes);
    assert.deepEqual(await this.#world.database.appendJournal(lease.session, [row]), ['accepted']);
    for (const { ordinal, kind } of outcomes) lease.batch.outcomes.set(ordinal, kind);
    this.#accepted.push({ session: lease.session, row, lease });
  }

  /** The answer to the row was lost, and it is offered again. */
  async repeatJournal(pick: number): Promise<void> {
    const repeated = at(this.#accepted, pick);
    if (repeated === undefined) return;
    const [answer] = await this.#world.database.appendJournal(repeated.session, [repeated.row]);
    if (this.#held.includes(repeated.lease)) assert.equal(answer, 'accepted');
  }

  /** Twice, as after a lost answer. Whatever row is repeated afterwards must still be known. */
  async fold(pick: number): Promise<void> {
    const lease = at(this.#held, pick);
    if (lease === undefined) return;
    const rows = await this.#world.fold(lease.shard, lease.session);
    const shardLease = this.#world.leaseOf(lease.shard, lease.session);
    assert.equal(await this.#world.database.foldJournal(shardLease, rows), 'folded');
  }

  async writeLate(pick: number): Promise<void> {
    const lease = at(this.#lost, pick);
    if (lease === undefined) return;
    const late = journalRow(lease.shard, 1_000, [{ ordinal: lease.shard.firstOrdinal }]);
    assert.deepEqual(await this.#world.database.appendJournal(lease.session, [late]), ['fenced']);
    const commit = {
      shardId: lease.shard.id,
      epoch: lease.shard.epoch,
      parts: [part('error', [-1])],
      errors: {},
    };
    assert.deepEqual(await this.#world.database.commitShards(lease.session, [commit]), ['fenced']);
    const row = {
      epoch: lease.shard.epoch,
      sequence: 1_000,
      blob: await this.#world.blob(4, this.#sessions[0]),
    };
    const shardLease = this.#world.leaseOf(lease.shard, lease.session);
    assert.equal(await this.#world.database.foldJournal(shardLease, [row]), 'fenced');
  }

  /** Commits if all is answered or the batch stopped, twice as after a lost answer. */
  async commit(pick: number): Promise<void> {
    const lease = at(this.#held, pick);
    if (lease === undefined || !(lease.batch.isStopped || this.#unanswered(lease).length === 0)) return;
    const { id: shardId, epoch } = lease.shard;
    const commit = { shardId, epoch, parts: this.#partsOf(lease), errors: {} };
    assert.deepEqual(await this.#world.database.commitShards(lease.session, [commit]), ['committed']);
    assert.deepEqual(await this.#world.database.commitShards(lease.session, [commit]), ['committed']);
    this.#lose([lease]);
  }

  async release(pick: number, parks: boolean): Promise<void> {
    const lease = at(this.#held, pick);
    if (lease === undefined) return;
    const { id: shardId, epoch } = lease.shard;
    const release = { shardId, epoch, ...(parks ? { parked: { routes: ['r'], reason: 'down' } } : {}) };
    await this.#world.database.releaseShards(lease.session, [release]);
    this.#lose([lease]);
  }

  /** One session falls silent and is declared dead; another takes its place. */
  async bury(pick: number): Promise<void> {
    const { database, clock } = this.#world;
    const dead = at(this.#sessions, pick);
    await clock.advance(1_000);
    for (const session of this.#sessions) {
      if (session !== dead) assert.equal(await database.heartbeat(session), true);
    }
    assert.equal(await database.burySilentSessions(500), 1);
    this.#lose(this.#held.filter(({ session }) => session === dead));
    this.#sessions = this.#sessions.map((session) => (session === dead ? '' : session));
    this.#sessions[this.#sessions.indexOf('')] = await database.openSession();
  }

  async restart(): Promise<void> {
    await this.#world.restart();
    this.#lose(this.#held);
    this.#sessions = [this.#world.session, await this.#world.database.openSession()];
  }

  async cancel(pick: number): Promise<void> {
    const batch = at(this.#batches, pick);
    const { state } = await this.#world.batch(batch.id);
    const cancelled = await this.#world.database.cancelBatch(this.#world.workspaceId, batch.id);
    if (state === 'queued') {
      assert.equal(cancelled?.state, 'cancelled');
      batch.isEnded = true;
    } else if (state === 'running') {
      assert.equal(cancelled?.state, 'cancelling');
    } else {
      assert.equal(cancelled?.state, state);
      return;
    }
    batch.isStopped = true;
  }

  /** Finalises one batch if one is ready, and checks its files line by line. */
  async finalise(): Promise<void> {
    const { database, session } = this.#world;
    const task = await database.claimTask(this.#sessions[0] ?? session);
    if (task === null) return;
    const batch = this.#batches.find(({ id }) => id === task.subjectId)!;
    assert.ok(task.kind === 'finalise' && !batch.isEnded);
    const files = resultFiles();
    const ended = await database.finalise(task, files);
    assert.ok(ended !== null);
    assert.deepEqual(await database.finalise(task, files), ended);
    batch.isEnded = true;
    const { state, outputFileId, errorFileId } = await this.#world.batch(batch.id);
    assert.equal(state, batch.isStopped ? 'cancelled' : 'completed');
    if (!batch.isStopped) assert.equal(batch.outcomes.size, batch.total);
    assert.deepEqual(await this.#linesOf(outputFileId), ordinalsOf(batch, 'succeeded'));
    assert.deepEqual(await this.#linesOf(errorFileId), ordinalsOf(batch, 'failed'));
  }

  beginToRead(pick: number, kind: ResultPart['kind']): Promise<void> {
    const batch = at(this.#batches, pick);
    this.#readers.push(new PageReader(batch.id, kind, ordinalsOf(batch, outcomeOf(kind))));
    return Promise.resolve();
  }

  async read(pick: number, pages: number): Promise<void> {
    for (let left = pages; left > 0; left--) await at(this.#readers, pick)?.read(this.#world);
  }

  /** The counts of each batch are those of the model: an outcome counts from its acceptance on, once, for good. */
  async checkCounts(): Promise<void> {
    for (const batch of this.#batches) {
      const { succeeded, failed } = await this.#world.batch(batch.id);
      const expected = {
        succeeded: ordinalsOf(batch, 'succeeded').length,
        failed: ordinalsOf(batch, 'failed').length,
      };
      assert.deepEqual({ succeeded, failed }, expected);
    }
  }

  /** Does what is left to do, and expects that all batches reach their end. */
  async finishAll(): Promise<void> {
    for (let round = 0; this.#batches.some(({ isEnded }) => !isEnded); round++) {
      assert.ok(round < 10, 'no batch may be stuck');
      await this.claim(0, 100);
      await this.drain(0);
      for (const lease of this.#held.slice()) {
        const place = this.#held.indexOf(lease);
        if (!lease.batch.isStopped)
          await this.journal(
            place,
            Array.from({ length: 10 }, () => true),
          );
        await this.commit(place);
      }
      await this.finalise();
      await this.checkCounts();
    }
    for (const reader of this.#readers) {
      const batch = this.#batches.find(({ id }) => id === reader.batchId)!;
      await reader.finish(this.#world, ordinalsOf(batch, outcomeOf(reader.kind)));
    }
    await this.#world.clock.advance(DAY_MS);
    assert.deepEqual(await this.#world.database.expireBatches(10), []);
    assert.deepEqual(await this.#world.claim({ session: this.#sessions[0] }), []);
  }

  async #take(session: string, shards: readonly ClaimedShard[], isDrain: boolean): Promise<void> {
    for (const shard of shards) {
      const batch = this.#batches.find(({ id }) => id === shard.batch.id)!;
      assert.equal(batch.isStopped, isDrain);
      assert.ok(
        this.#held.every((lease) => lease.shard.id !== shard.id),
        'a shard has one lease at a time',
      );
      const lease = { shard, session, batch, sequence: 0 };
      const index = await this.#world.database.readJournalIndex(this.#world.leaseOf(shard, session));
      const journaled = index!.flatMap(({ outcomes }) => outcomes.map(({ ordinal }) => ordinal));
      const expected = ordinalsWithin(shard).filter((ordinal) => batch.outcomes.has(ordinal));
      assert.deepEqual(
        journaled.toSorted((a, b) => a - b),
        expected,
      );
      assert.equal(shard.journaled, expected.length > 0);
      this.#held.push(lease);
    }
  }

  #lose(leases: readonly Lease[]): void {
    this.#lost.push(...leases);
    this.#held = this.#held.filter((lease) => !leases.includes(lease));
  }

  #unanswered({ shard, batch }: Lease): number[] {
    return ordinalsWithin(shard).filter((ordinal) => !batch.outcomes.has(ordinal));
  }

  #partsOf({ shard, batch }: Lease): ResultPart[] {
    const answered = ordinalsWithin(shard);
    const parts = (['succeeded', 'failed'] as const).map((kind) => {
      const ordinals = answered.filter((ordinal) => batch.outcomes.get(ordinal) === kind);
      return part(kind === 'succeeded' ? 'output' : 'error', ordinals);
    });
    return parts.filter(({ lines }) => lines > 0);
  }

  async #linesOf(fileId: string | null): Promise<number[]> {
    if (fileId === null) return [];
    const parts = await this.#world.database.readManifest(fileId, 0, 1_000);
    const bytes = parts.map(({ blob }) => (blob.kind === 'inline' ? blob.bytes : Buffer.alloc(0)));
    return Buffer.concat(bytes).toString().trimEnd().split('\n').map(Number);
  }
}

function at<Item>(items: readonly Item[], pick: number): Item {
  return items[pick % items.length];
}

function outcomeOf(kind: ResultPart['kind']): Outcome['kind'] {
  return kind === 'output' ? 'succeeded' : 'failed';
}

function kindOf(succeeds: boolean): Outcome['kind'] {
  return succeeds ? 'succeeded' : 'failed';
}

function part(kind: ResultPart['kind'], ordinals: readonly number[]): ResultPart {
  return { kind, lines: ordinals.length, blob: inline(ordinals.map((ordinal) => `${ordinal}\n`).join('')) };
}

function ordinalsWithin({ firstOrdinal, count }: ClaimedShard): number[] {
  return Array.from({ length: count }, (_, place) => firstOrdinal + place);
}

function ordinalsOf({ outcomes }: BatchModel, kind: Outcome['kind']): number[] {
  const ordinals = [...outcomes].filter(([, found]) => found === kind).map(([ordinal]) => ordinal);
  return ordinals.toSorted((a, b) => a - b);
}
