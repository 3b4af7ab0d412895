import { join } from 'node:path';
import type { BoraClient } from '@bora/client';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { Disk } from '@bora/server/storage/ports/disk';
import { inspectFolder } from '@bora/server/files/inspect-folder';
import { DiskObjects } from '@bora/server/storage/disk/disk-objects';
import { openSqliteInspection } from '@bora/server/storage/sqlite/sqlite-inspection';
import SqliteDatabase from 'better-sqlite3';
import type { ScriptedUpstream } from '../scripted-upstream.ts';
import { startScriptedUpstream } from '../scripted-upstream.ts';
import { seededRandom } from '../seeded-random.ts';
import type { DiskOperation, PowerCut } from '../simulated-disk.ts';
import { SimulatedDisk } from '../simulated-disk.ts';
import { makeTemporaryFolder } from '../temporary-folder.ts';
import { PoweredBora } from './powered-bora.ts';
import type { Remains } from './powered-database.ts';
import { answerOf, createJob, INPUT, MODEL, ordinalOf, REQUESTS, wrongResults } from './requests.ts';

const POLL_MS = 3;
/** A life takes less than a second. */
const HANG_MS = 120_000;
const WAYS: readonly PowerCut[] = (['dropped', 'kept', 'torn'] as const).flatMap((bytes) =>
  (['dropped', 'kept', 'torn'] as const).map((names) => ({ bytes, names })),
);

export interface PowerPlan {
  /** Decides what the cut leaves of what was not synced. The same seed does the same to the same sequence of operations. */
  readonly seed: number;
  /**
   * Before which change of the disk, from 1, the power goes; once for each life. A life that makes fewer changes ends in order, and is
   * the last. After these lives one ends by a cut after everything is done, and one more looks at what is left.
   */
  readonly cuts: readonly number[];
  readonly remains: Remains;
  readonly wrapDisk?: (disk: Disk) => Disk;
}

export interface PowerReport {
  /** What was promised and did not hold. */
  readonly violations: readonly string[];
  /** Where each cut fell: the operation that did not happen, and the state of the job by then. */
  readonly cuts: readonly { readonly operation: DiskOperation; readonly during: string }[];
}

/** From upload to finish, on a machine whose power goes where the plan says; and what must hold whenever it is back. */
export async function runPowerLoss(plan: PowerPlan): Promise<PowerReport> {
  await using upstream = await startScriptedUpstream([MODEL], answerOf);
  const run = new PowerRun(plan, upstream);
  await run.live();
  return { violations: [...new Set(run.violations)], cuts: run.cuts };
}

class PowerRun {
  readonly violations: string[] = [];
  readonly cuts: { operation: DiskOperation; during: string }[] = [];
  readonly #plan: PowerPlan;
  readonly #upstream: ScriptedUpstream;
  readonly #random: () => number;
  readonly #disk: SimulatedDisk;
  #fileId: string | null = null;
  #jobId: string | null = null;
  /** The most that any answer has shown as completed. */
  #seen = 0;
  #during = 'upload';

  constructor(plan: PowerPlan, upstream: ScriptedUpstream) {
    this.#plan = plan;
    this.#upstream = upstream;
    this.#random = seededRandom(plan.seed);
    this.#disk = new SimulatedDisk({ random: this.#random });
  }

  async live(): Promise<void> {
    let folder = await makeTemporaryFolder();
    for (const nth of [...this.#plan.cuts, null, null]) {
      const sentBefore = this.#upstream.requests.length;
      const counted = countedIn(folder.path);
      this.#check(counted >= this.#seen, `${this.#seen} requests were shown as completed, ${counted} are.`);

      const bora = await PoweredBora.start({
        disk: this.#disk,
        folder,
        upstream: this.#upstream.url,
        wrapDisk: this.#plan.wrapDisk ?? ((disk) => disk),
      });
      if (nth !== null) this.#cutBefore(nth, bora);
      const isDone = await this.#useBora(bora);
      folder = await bora.remains(this.#plan.remains, this.#random);
      this.#disk.crash(WAYS[Math.floor(this.#random() * WAYS.length)]);

      const sent = this.#upstream.requests.length - sentBefore;
      this.#check(
        isDone ? sent === REQUESTS - counted : sent <= REQUESTS - counted,
        `${counted} outcomes were held, and ${sent} of ${REQUESTS} requests sent.`,
      );
      await this.#checkSound(folder.path);
      if (this.violations.length > 0) break;
    }
    await folder[Symbol.asyncDispose]();
  }

  #cutBefore(nth: number, bora: PoweredBora): void {
    bora.cutPowerBefore(nth, this.#disk, (operation) => {
      this.cuts.push({ operation, during: this.#during });
    });
  }

  /**
   * What a client does that wants its results; it goes on with what was acknowledged to it. Whether it came to its end with the
   * power on.
   */
  async #useBora(bora: PoweredBora): Promise<boolean> {
    const { client } = bora;
    try {
      if (this.#fileId !== null) await this.#checkUpload(client, this.#fileId);
      this.#fileId ??= (await client.files.upload(new Blob([INPUT]), { filename: 'a.jsonl' })).id;
      await this.#checkUpload(client, this.#fileId);
      this.#jobId ??= await createOnce(client, this.#fileId);
      const job = await this.#ended(client, this.#jobId);
      this.#during = 'after the end';
      this.violations.push(...(await wrongResults(client, job)));
      const distinct = new Set(this.#upstream.requests.map(ordinalOf)).size;
      this.#check(distinct === REQUESTS, `${distinct} different requests were sent.`);
    } catch (error) {
      if (!bora.isOff) this.violations.push(`It could not go on: ${String(error)}`);
    }
    return !bora.isOff;
  }

  async #ended(client: BoraClient, jobId: string): Promise<BatchJob> {
    const limit = AbortSignal.timeout(HANG_MS);
    for (;;) {
      if (limit.aborted) throw new Error(`The job is ${this.#during} after ${HANG_MS / 1000} s.`);
      const job = await client.jobs.get(jobId);
      this.#during = job.bora?.state ?? job.status;
      this.#check(job.completed_requests >= this.#seen, 'Progress fell.');
      this.#seen = job.completed_requests;
      if (job.completed_at !== null) return job;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #checkUpload(client: BoraClient, fileId: string): Promise<void> {
    const now = await new Response(await client.files.content(fileId)).text();
    this.#check(now === INPUT, 'An acknowledged upload came back with other bytes.');
  }

  /** What the doctor says of what the cut left. */
  async #checkSound(folder: string): Promise<void> {
    using inspection = openSqliteInspection(folder, Date.now());
    const { damages } = await inspectFolder(inspection, new DiskObjects(this.#disk), {});
    for (const { kind, subject, detail } of damages) this.violations.push(`${kind} ${subject}: ${detail}`);
  }

  #check(holds: boolean, violation: string): void {
    if (!holds) this.violations.push(violation);
  }
}

/** Created unless an earlier call, whose answer was lost, did so. */
async function createOnce(client: BoraClient, fileId: string): Promise<string> {
  const { data } = await client.jobs.list();
  return (data[0] ?? (await createJob(client, fileId))).id;
}

/** Requests whose outcome the database of a folder holds. */
function countedIn(folder: string): number {
  const [row] = select<{ counted: number }>(
    folder,
    `SELECT coalesce(sum(succeeded + failed), 0) + coalesce((SELECT sum(succeeded + failed) FROM shard
       WHERE state <> 'done'), 0) AS counted FROM batch`,
  );
  return row?.counted ?? 0;
}

function select<Row>(folder: string, sql: string): Row[] {
  const db = new SqliteDatabase(join(folder, 'bora.sqlite'));
  try {
    return db.prepare(sql).all() as Row[];
  } catch (error) {
    // The very first start finds no tables.
    if (String(error).includes('no such table')) return [];
    throw error;
  } finally {
    db.close();
  }
}
