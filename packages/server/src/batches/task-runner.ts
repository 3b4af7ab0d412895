import { randomUUID } from 'node:crypto';
import type { Task } from '../storage/ports/plan-and-finalise.ts';
import { Bell } from '../observe/bell.ts';
import type { Clock } from '../observe/clock.ts';
import { Budget } from './budget.ts';
import { planBatch, type PlanDependencies } from './plan.ts';

const POLL_MS = 1_000;
/** A purge that must wait for a running batch looks again after a minute: nothing hurries it. */
const IN_USE_DELAY_MS = 60_000;
const RETRY_DELAY_MS = 5_000;
const MOST_AT_ONCE = 4;
/** Of validations that read their files, each of which may take 90 MiB (`find-faults.ts`). */
const READING_AT_ONCE = 1;
/** Rows that one purge transaction removes; keeps the database free for journals in between. */
const PURGE_PAGE = 200;

export interface TaskRunnerDependencies extends Omit<PlanDependencies, 'reading'> {
  readonly clock: Clock;
}

/**
 * Runs tasks: plan, finalise, purge; some side by side, so that a batch whose file is read line by line (some 200,000 lines a second, and
 * perhaps twice) holds up only those that must be read as well. A task that fails is given back and tried again; one whose runner dies is claimed by the next.
 */
export class TaskRunner {
  readonly #deps: TaskRunnerDependencies;
  readonly #reading = new Budget(READING_AT_ONCE);
  readonly #bell = new Bell();
  /** By the id of their task. Each settles, and never rejects. */
  readonly #running = new Map<number, Promise<void>>();
  /** The answer to a claim was lost, or a task could not be returned. */
  #isInDoubt = false;

  constructor(deps: TaskRunnerDependencies) {
    this.#deps = deps;
  }

  /** Runs until `signal` aborts and the tasks that it interrupts have been given back. */
  async run(session: string, signal: AbortSignal): Promise<void> {
    const { database, clock, log } = this.#deps;
    const ring = (): void => this.#bell.ring();
    const unsubscribe = database.onHint(ring);
    signal.addEventListener('abort', ring);
    try {
      while (!signal.aborted) {
        try {
          if (this.#isInDoubt) {
            this.#isInDoubt = false;
            await this.#giveBackUnknown(session);
          }
          // Asked each time: a task interrupted by the abort is given back at once, and would be claimed here again for ever.
          while (
            !signal.aborted &&
            this.#running.size < MOST_AT_ONCE &&
            (await this.#startOne(session, signal))
          );
        } catch (error) {
          this.#isInDoubt = true;
          if (!signal.aborted) log.error({ err: error }, 'tasks could not be read; trying again');
        }
        if (!signal.aborted) await this.#bell.wait(clock, POLL_MS);
      }
    } finally {
      unsubscribe();
      signal.removeEventListener('abort', ring);
      await Promise.all(this.#running.values());
    }
  }

  /** Claims a task and sets it going. False if there was none. */
  async #startOne(session: string, signal: AbortSignal): Promise<boolean> {
    const task = await this.#deps.database.claimTask(session);
    if (task === null) return false;
    const running = this.#runOne(task, signal).finally(() => {
      this.#running.delete(task.taskId);
      this.#bell.ring();
    });
    this.#running.set(task.taskId, running);
    return true;
  }

  async #runOne(task: Task, signal: AbortSignal): Promise<void> {
    const { database, log } = this.#deps;
    try {
      await this.#perform(task, signal);
    } catch (error) {
      if (!signal.aborted) {
        log.error({ task: task.kind, subject: task.subjectId, err: error }, 'a task failed; trying again');
      }
      await database.returnTask(task, signal.aborted ? 0 : RETRY_DELAY_MS).catch(() => {
        this.#isInDoubt = true;
      });
    }
  }

  /** The session should hold no task but those that run here. */
  async #giveBackUnknown(session: string): Promise<void> {
    const { tasks } = await this.#deps.database.leasesOf(session);
    for (const task of tasks) {
      if (!this.#running.has(task.taskId)) await this.#deps.database.returnTask(task, 0);
    }
  }

  async #perform(task: Task, signal: AbortSignal): Promise<void> {
    const { reachStopPoint } = this.#deps;
    switch (task.kind) {
      case 'plan':
        return planBatch({ ...this.#deps, reading: this.#reading }, task, signal);
      case 'finalise':
        await reachStopPoint('finalise.claimed');
        return this.#finalise(task);
      case 'purge-batch':
      case 'purge-file':
        await reachStopPoint('delete.hidden');
        return this.#purge(task, signal);
    }
  }

  async #finalise(task: Task): Promise<void> {
    const { database, log } = this.#deps;
    const batch = task.subjectId;
    // As OpenAI's result files are called (every copy of its API has it so); Mistral's names are not known.
    const name = `batch_${batch.replaceAll('-', '')}`;
    const end = await database.finalise(task, {
      outputFileId: randomUUID(),
      errorFileId: randomUUID(),
      outputFilename: `${name}_output.jsonl`,
      errorFilename: `${name}_error.jsonl`,
    });
    if (end !== null) log.info({ batch, ...end }, 'a job ended');
  }

  async #purge(task: Task, signal: AbortSignal): Promise<void> {
    const { database, reachStopPoint } = this.#deps;
    for (;;) {
      signal.throwIfAborted();
      const progress = await database.purge(task, PURGE_PAGE);
      if (progress === 'in-use') return database.returnTask(task, IN_USE_DELAY_MS);
      if (progress === 'lost') return;
      if (progress === 'done') {
        await reachStopPoint('delete.purged');
        return;
      }
    }
  }
}
