import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Simulator } from '@bora/simulator/simulator';
import SqliteDatabase from 'better-sqlite3';
import { damagesOf } from '../crash/crash-run.ts';
import { CHILD_MAX_UNJOURNALED, CHILD_WINDOW } from '../crash/crash-plan.ts';
import { readLedger, type LedgerEntry } from '../crash/ledger.ts';
import type { JobBook, TortureBooks } from './books.ts';
import { requestAt, sentBodyOf } from './request-sets.ts';
import { SLEEPER } from './workload.ts';

/** By job and ordinal, how often a request had been received when a life began. */
export type ReceivedBefore = ReadonlyMap<JobBook, readonly number[]>;

/** Reads the folder of a Bora that lies dead; answers every promise that it breaks. */
export class Audit {
  readonly #data: string;
  readonly #simulator: Simulator;

  constructor(data: string, simulator: Simulator) {
    this.#data = data;
    this.#simulator = simulator;
  }

  received(books: TortureBooks): ReceivedBefore {
    return new Map(books.jobs.map((job) => [job, this.#receivedOf(job)]));
  }

  async run(books: TortureBooks, before: ReceivedBefore): Promise<string[]> {
    const violations: string[] = await damagesOf(this.#data);
    const ledger = new Map(readLedger(this.#data).map((entry) => [entry.batchId, entry]));
    let inFlight = 0;
    for (const job of books.jobs) {
      if (job.id === null) continue;
      const entry = ledger.get(job.id);
      if (entry !== undefined) violations.push(...countFaults(job, entry));
      const received = this.#receivedOf(job);
      violations.push(...boughtAgain(job, received));
      if (entry === undefined || job.end !== null) continue;
      const earlier = before.get(job) ?? [];
      const sentNow = (times: number, ordinal: number): boolean => times > (earlier[ordinal] ?? 0);
      books.requestsSentAgain += received.filter(
        (times, ordinal) => sentNow(times, ordinal) && (earlier[ordinal] ?? 0) > 0,
      ).length;
      // What a stopped job had in flight was aborted, and a model that is not there answers at once.
      if (!job.cancelAsked && !job.isDue && job.model !== SLEEPER) {
        inFlight += received.filter(
          (times, ordinal) => sentNow(times, ordinal) && !entry.settled.has(ordinal),
        ).length;
      }
      // Of a stopping job the ledger knows how many are settled, not which.
      if (entry.state !== 'queued' && entry.state !== 'running') continue;
      for (const ordinal of entry.settled) job.settled[ordinal] ??= received[ordinal] ?? 0;
    }
    if (inFlight > CHILD_WINDOW + CHILD_MAX_UNJOURNALED) {
      violations.push(`${inFlight} requests were in flight, more than the windows and the journal allow.`);
    }
    return violations;
  }

  /** What lies in the folder, in the words of its rows. */
  found(): string[] {
    return this.#ask(FOUND);
  }

  /** Names whose bytes could have been collected at `now`, in milliseconds, and were not; also beside a Bora that runs. */
  uncollected(now: number): number {
    return this.#ask<number>(COLLECTABLE).filter((changedAt) => changedAt <= now - COLLECTED_AFTER_MS).length;
  }

  /** Objects of the folder beyond those that records own. */
  unnamedObjects(): number {
    const owned = this.#ask(`SELECT name FROM blob_name WHERE state = 'owned'`).length;
    const objects = readdirSync(join(this.#data, 'blobs/objects'), { recursive: true, withFileTypes: true });
    return objects.filter((entry) => entry.isFile()).length - owned;
  }

  #ask<Value = string>(sql: string): Value[] {
    const db = new SqliteDatabase(join(this.#data, 'bora.sqlite'), { readonly: true });
    try {
      return db.prepare(sql).pluck().all() as Value[];
    } finally {
      db.close();
    }
  }

  #receivedOf(job: JobBook): number[] {
    const { sets, model } = job;
    const requests = sets.reduce((sum, { lines }) => sum + lines, 0);
    return Array.from({ length: requests }, (_, ordinal) => {
      const { set, line } = requestAt(sets, ordinal);
      return this.#simulator.received(sentBodyOf(set, line, model)).received;
    });
  }
}

function countFaults(job: JobBook, { counted, settled, isEnded }: LedgerEntry): string[] {
  const faults: string[] = [];
  if (!isEnded && counted !== settled.size) {
    faults.push(`Job ${job.id} counts ${counted} requests and holds ${settled.size} outcomes.`);
  }
  if (counted < job.seen)
    faults.push(`Job ${job.id} showed ${job.seen} completed requests and remembers ${counted}.`);
  return faults;
}

function boughtAgain({ id, settled }: JobBook, received: readonly number[]): string[] {
  return Object.entries(settled)
    .filter(([ordinal, times]) => (received[Number(ordinal)] ?? 0) > times)
    .map(([ordinal]) => `Request ${ordinal} of job ${id} was sent again after its outcome was durable.`);
}

/** All that a kill can find; the run fails if it never found one of them. */
export const FINDINGS = [
  'job validating',
  'job queued',
  'job running',
  'job cancelling',
  'job expiring',
  'job finalizing',
  'job deleted',
  'shard queued',
  'shard leased',
  'shard parked',
  'shard done',
  'journal',
  'journal folded',
  'journal with a large answer',
  'request sent alone',
  'object released',
] as const;

/** As files/collector.ts has it. */
const COLLECTED_AFTER_MS = 3_600_000;
const COLLECTABLE = `SELECT changed_at FROM blob_name WHERE state IN ('released', 'erased')`;

const FOUND = `
  SELECT DISTINCT 'job ' || state FROM batch WHERE ended_at IS NULL
  UNION SELECT 'job deleted' FROM batch WHERE hidden_at IS NOT NULL
  UNION SELECT 'shard ' || state FROM shard
  UNION SELECT 'journal' FROM journal WHERE blob_name IS NULL
  UNION SELECT 'journal folded' FROM journal WHERE blob_name IS NOT NULL
  UNION SELECT 'journal with a large answer' FROM journal, json_each(outcomes) o WHERE o.value ->> '$[6].name' IS NOT NULL
  UNION SELECT 'request sent alone' FROM attempt WHERE sending = 1
  UNION SELECT 'object released' FROM blob_name WHERE state = 'released'`;
