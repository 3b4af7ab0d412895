import { setTimeout as sleep } from 'node:timers/promises';
import type { BoraClient } from '@bora/client';
import { BoraError } from '@bora/client/bora-error';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { Simulator } from '@bora/simulator/simulator';
import { type FileBook, type JobBook, requestsOf, type TortureBooks } from './books.ts';
import { type Life, LifeEnded, PromiseBroken } from './life.ts';
import { bodyOf, contentOf, customIdOf, ENDPOINT, type RequestSet } from './request-sets.ts';
import { checkResults } from './check-results.ts';

/** Served all the time, and one that comes and goes, so that shards are parked for it. */
export const MODELS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
export const SLEEPER = 'sleeper';

const OPEN_JOBS = 4;
const FILES_KEPT = 8;
const ENDED_JOBS_KEPT = 6;
const POLL_MS = 15;
const HOUR_MS = 3_600_000;
/** Longer than the clock can get ahead while a job is open. */
const NO_DEADLINE_HOURS = 168;

/** What is wanted of this life, so that it comes to the stop point at which it is to die. */
export type Wish = 'cancel' | 'deadline' | null;

/** Makes jobs, looks at them, cancels, lets expire and deletes, until Bora dies. */
export class Workload {
  readonly #life: Life;
  readonly #books: TortureBooks;
  readonly #simulator: Simulator;
  readonly #random: () => number;
  readonly #wish: Wish;

  constructor(parts: {
    readonly life: Life;
    readonly books: TortureBooks;
    readonly simulator: Simulator;
    readonly random: () => number;
    readonly wish: Wish;
  }) {
    this.#life = parts.life;
    this.#books = parts.books;
    this.#simulator = parts.simulator;
    this.#random = parts.random;
    this.#wish = parts.wish;
  }

  /** Returns when Bora is dead. */
  async untilDeath(): Promise<void> {
    await untilEnded([this.#make(), this.#watch(() => true), this.#sendToSleep()]);
  }

  /** Makes nothing more; returns when all jobs have ended and were found right. */
  async untilDone(): Promise<void> {
    await this.#watch(() => this.#books.jobs.some(({ end }) => end === null));
  }

  async #make(): Promise<void> {
    while (!this.#life.isDead) {
      const { jobs } = this.#books;
      if (jobs.filter(({ end }) => end === null).length < OPEN_JOBS) await this.#makeJob();
      else await sleep(POLL_MS);
      await this.#thinOut();
    }
  }

  async #makeJob(): Promise<void> {
    const dialect = this.#chance(0.25) ? 'openai' : 'mistral';
    const isInline = dialect === 'mistral' && this.#chance(0.3);
    const files = isInline ? [] : await this.#pickFiles(dialect);
    const sets = isInline ? [this.#newSet(40)] : files.map(({ set }) => set);
    const job: JobBook = {
      number: this.#books.jobsMade++,
      dialect,
      model: files[0]?.set.model ?? this.#pickModel(files),
      sets,
      fileIds: files.map(({ id }) => id),
      fate: this.#pickFate(),
      id: null,
      cancelAsked: false,
      isDue: false,
      seen: 0,
      settled: {},
      end: null,
      deletion: 'no',
    };
    for (const file of files) file.models.push(job.model);
    this.#books.jobs.push(job);
    try {
      job.id = await this.#life.call((client) =>
        dialect === 'openai' ? createOpenAiBatch(client.baseUrl, job) : createJob(client, job, isInline),
      );
    } catch (error) {
      // The model went to sleep meanwhile, and is unknown now.
      if (!(error instanceof BoraError && error.code === 'unknown_model' && job.model === SLEEPER))
        throw error;
      this.#books.jobs = this.#books.jobs.filter((other) => other !== job);
    }
  }

  async #pickFiles(dialect: JobBook['dialect']): Promise<FileBook[]> {
    if (dialect === 'openai') {
      // Never the one that sleeps: a batch whose lines name a model that nobody has fails.
      const model = MODELS[Math.floor(this.#random() * MODELS.length)];
      return [await this.#upload({ ...this.#newSet(120), model })];
    }
    const count = this.#chance(0.3) ? 3 : 1;
    const kept = this.#books.files.filter(
      ({ set, deletion, models }) => set.model === null && deletion === 'no' && models.length < 2,
    );
    const files = kept.filter(() => this.#chance(0.3)).slice(0, count);
    while (files.length < count) files.push(await this.#upload(this.#newSet(120)));
    return files;
  }

  async #upload(set: RequestSet): Promise<FileBook> {
    const { id } = await this.#life.call((client) =>
      client.files.upload(new Blob([contentOf(set)]), { filename: `${set.nonce}.jsonl` }),
    );
    const file: FileBook = { id, set, models: [], deletion: 'no' };
    this.#books.files.push(file);
    return file;
  }

  #newSet(most: number): RequestSet {
    const nonce = `${this.#books.kills}-${Math.floor(this.#random() * 2 ** 40).toString(36)}`;
    if (this.#chance(0.1)) return { nonce, lines: 24, padding: 10, model: null, hasLargeAnswers: true };
    const lines = 1 + Math.floor(this.#random() * most);
    return { nonce, lines, padding: this.#chance(0.5) ? 900 : 20, model: null, hasLargeAnswers: false };
  }

  #pickModel(files: readonly FileBook[]): string {
    const models = [...(this.#simulator.settings.models.includes(SLEEPER) ? [SLEEPER] : []), ...MODELS];
    const free = models.filter((model) => !files.some((file) => file.models.includes(model)));
    return free.find(() => this.#chance(0.3)) ?? free.at(-1) ?? '';
  }

  #pickFate(): JobBook['fate'] {
    if (this.#wish !== null) return this.#wish;
    const roll = this.#random();
    if (roll < 0.2) return 'cancel';
    return roll < 0.35 ? 'deadline' : 'finish';
  }

  async #watch(isWanted: () => boolean): Promise<void> {
    while (!this.#life.isDead && isWanted()) {
      for (const job of this.#books.jobs)
        if (job.id !== null && job.end === null) await this.#look(job, job.id);
      await sleep(POLL_MS);
    }
    if (isWanted()) throw new LifeEnded();
  }

  async #look(book: JobBook, id: string): Promise<void> {
    const job = await this.#life.call((client) => client.jobs.get(id));
    sawProgress(book, job);
    if (job.completed_at !== null) {
      await checkResults(this.#life, this.#books, book, job);
      return;
    }
    if (book.fate === 'cancel' && !book.cancelAsked && this.#chance(0.3)) {
      book.cancelAsked = true;
      await this.#life.call((client) => client.jobs.cancel(id));
    }
    if (book.fate === 'deadline' && !book.isDue && job.completed_requests > 0) this.#letExpire();
  }

  /** Two hours pass at once. */
  #letExpire(): void {
    for (const job of this.#books.jobs) if (job.fate === 'deadline') job.isDue = true;
    this.#books.clockAheadMs += 2 * HOUR_MS;
    this.#life.advanceClock(2 * HOUR_MS);
  }

  async #sendToSleep(): Promise<void> {
    await sleep(100 + 500 * this.#random());
    await this.#simulator.configure({ models: MODELS });
  }

  /** Deletes what there is too much of, now and then what is in use. */
  async #thinOut(): Promise<void> {
    const { files, jobs } = this.#books;
    const kept = files.filter(({ deletion }) => deletion === 'no');
    if (kept.length > FILES_KEPT) await this.#deleteFile(kept[Math.floor(this.#random() * kept.length)]);
    const ended = jobs.filter(({ end, deletion }) => end !== null && deletion === 'no');
    if (ended.length > ENDED_JOBS_KEPT) await deleteJob(this.#life, ended[0]);
  }

  async #deleteFile(file: FileBook): Promise<void> {
    file.deletion = 'asked';
    await deleteFile(this.#life, file.id);
    file.deletion = 'done';
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }
}

async function createJob(client: BoraClient, job: JobBook, isInline: boolean): Promise<string> {
  const [set] = job.sets;
  const requests = Array.from({ length: set.lines }, (_, line) => ({
    custom_id: customIdOf(set, line),
    body: JSON.parse(bodyOf(set, line)) as Record<string, unknown>,
  }));
  const { id } = await client.jobs.create({
    endpoint: ENDPOINT,
    model: job.model,
    metadata: { number: String(job.number) },
    timeout_hours: hoursOf(job),
    ...(isInline ? { requests } : { input_files: [...job.fileIds] }),
  });
  return id;
}

/** Answers its id as Mistral's API has it, through which all else about it is asked. */
async function createOpenAiBatch(baseUrl: string, job: JobBook): Promise<string> {
  const batch = {
    input_file_id: job.fileIds[0],
    endpoint: ENDPOINT,
    completion_window: `${hoursOf(job)}h`,
    metadata: { number: String(job.number) },
  };
  const response = await fetch(`${baseUrl}/v1/batches`, { method: 'POST', body: JSON.stringify(batch) });
  if (!response.ok) throw new PromiseBroken(`A batch was refused: ${await response.text()}`);
  const { id } = (await response.json()) as { id: string };
  return id.replace(/^batch_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function hoursOf({ fate }: JobBook): number {
  return fate === 'deadline' ? 1 : NO_DEADLINE_HOURS;
}

/** With its results. Also where some of it has happened already. */
export async function deleteJob(life: Life, job: JobBook): Promise<void> {
  job.deletion = 'asked';
  await unlessGone(life.call((client) => client.jobs.delete(job.id ?? '')));
  for (const { id } of job.end?.files ?? []) await deleteFile(life, id);
  job.deletion = 'done';
}

export async function deleteFile(life: Life, id: string): Promise<void> {
  await unlessGone(life.call((client) => client.files.delete(id)));
}

async function unlessGone(deleted: Promise<unknown>): Promise<void> {
  try {
    await deleted;
  } catch (error) {
    if (!(error instanceof BoraError && error.status === 404)) throw error;
  }
}

/** Progress never falls, and totals never change. */
export function sawProgress(book: JobBook, job: BatchJob): void {
  if (job.completed_requests < book.seen) {
    throw new PromiseBroken(`Progress of job ${job.id} fell from ${book.seen} to ${job.completed_requests}.`);
  }
  if (job.total_requests !== requestsOf(book)) {
    throw new PromiseBroken(
      `Job ${job.id} has ${job.total_requests} requests instead of ${requestsOf(book)}.`,
    );
  }
  book.seen = job.completed_requests;
}

/** Waits for all; what broke first is what is told, and an end of life is what is expected. */
async function untilEnded(works: readonly Promise<void>[]): Promise<void> {
  const ends = await Promise.allSettled(works);
  for (const end of ends) {
    if (end.status === 'rejected' && !(end.reason instanceof LifeEnded)) throw end.reason;
  }
}
