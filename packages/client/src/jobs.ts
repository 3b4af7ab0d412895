import type { BatchJob, BatchJobList, DeletedBatchJob, JobOrder, JobStatus, NewJob } from './job-types.ts';
import { BoraError } from './bora-error.ts';
import type { Clock } from './clock.ts';
import { download } from './download.ts';
import type { Files } from './files.ts';
import { CreatedJobs, JobNotVisibleYet } from './not-yet.ts';
import { allPages } from './pages.ts';
import { outcomeOf } from './outcome.ts';
import type { JsonObject, RequestOutcome } from './outcome.ts';
import { inInputOrder, mergedResultLines } from './result-lines.ts';
import type { RawResultLine } from './result-lines.ts';
import type { Call, Transport } from './transport.ts';
import { waitUntilComplete } from './wait.ts';
import type { WaitOptions } from './wait.ts';

/** All that are given must match. */
export interface JobFilter {
  readonly model?: string;
  /** Every pair must be equal. Keys that are names of parameters (`page`, `status`, …) cannot be asked for. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** That moment or later. */
  readonly created_after?: Date | string;
  readonly created_by_me?: boolean;
  /** Any of these. */
  readonly status?: readonly JobStatus[];
  /** Default `-created`: newest first. */
  readonly order_by?: JobOrder;
  /** 1..1000, default 100. */
  readonly page_size?: number;
}

export interface JobListOptions extends JobFilter {
  /** Zero-based, default 0. */
  readonly page?: number;
}

/** `/v1/batch/jobs`. Every method throws `BoraError`. */
export class Jobs {
  readonly #transport: Transport;
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #created: CreatedJobs;

  constructor(transport: Transport, files: Files, clock: Clock) {
    this.#transport = transport;
    this.#files = files;
    this.#clock = clock;
    this.#created = new CreatedJobs(clock);
  }

  /**
   * Creates a job over `input_files` (ids, in the order of their requests) or up to 10,000 inline `requests`. When it resolves the job is
   * durable. After a lost connection or a 5xx it is not repeated by itself: the job may exist.
   */
  async create(job: NewJob, signal?: AbortSignal): Promise<BatchJob> {
    const created = await this.#transport.json<BatchJob>({
      method: 'POST',
      path: '/v1/batch/jobs',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(job),
      signal,
    });
    this.#created.note(created.id);
    return created;
  }

  /**
   * `inline`: whether to show `outputs` once the job ended; absent = if the job was made from inline requests.
   * @throws JobNotVisibleYet where this client created the job moments ago and the service does not know it yet.
   */
  get(id: string, options: { inline?: boolean } = {}, signal?: AbortSignal): Promise<BatchJob> {
    return this.#look({ method: 'GET', path: jobPath(id), query: { ...options }, signal }, id);
  }

  /** One page. */
  list(options: JobListOptions = {}, signal?: AbortSignal): Promise<BatchJobList> {
    const { metadata, ...named } = options;
    // Mistral's API takes each metadata pair as a parameter of its own.
    const query = { ...metadata, ...named };
    return this.#transport.json({ method: 'GET', path: '/v1/batch/jobs', query, signal });
  }

  /** Every job that matches, fetched page by page. */
  listAll(filter: JobFilter = {}, signal?: AbortSignal): AsyncGenerator<BatchJob, void, undefined> {
    const page_size = filter.page_size ?? 100;
    return allPages(page_size, (page) => this.list({ ...filter, page, page_size }, signal));
  }

  /** Stops a job. What is in flight may still finish; results that are there stay. An ended job is left as it is. */
  cancel(id: string, signal?: AbortSignal): Promise<BatchJob> {
    return this.#transport.json({ method: 'POST', path: `${jobPath(id)}/cancel`, repeatable: true, signal });
  }

  /** Removes a job, cancelling it first if it still runs. Its files stay. */
  delete(id: string, signal?: AbortSignal): Promise<DeletedBatchJob> {
    this.#created.forget(id);
    const ifGone: DeletedBatchJob = { id, object: 'batch', deleted: true };
    return this.#transport.remove({ method: 'DELETE', path: jobPath(id), ifGone, signal });
  }

  /**
   * Asks until the job has ended and answers it. Lost connections, 408, 429 and 5xx are waited out; so is a 404 in the first moments,
   * which Mistral's own service gives shortly after a create. The job comes without `outputs`, which may be very large: `results` gives
   * them one by one, and `get` whole.
   * @throws WaitTimeout after `timeoutMs`; the signal's reason if it aborts; BoraError for anything else that is refused.
   */
  waitUntilComplete(id: string, options: WaitOptions = {}): Promise<BatchJob> {
    const query = { inline: false };
    const call: Call = { method: 'GET', path: jobPath(id), query, once: true, signal: options.signal };
    return waitUntilComplete(() => this.#look(call, id), options, this.#clock);
  }

  /**
   * What became of each request of an ended job, succeeded and failed ones together, in input order, one line in memory at a time. A job
   * that was cancelled or ran out of time has no outcome for requests that never completed.
   * `Body` is the shape you expect of a succeeded answer; it is not checked.
   */
  async *results<Body = JsonObject>(
    job: BatchJob,
    signal?: AbortSignal,
  ): AsyncGenerator<RequestOutcome<Body>, void, undefined> {
    for await (const line of this.resultLines(job, signal)) yield outcomeOf<Body>(line);
  }

  /** The lines of both result files in input order, byte for byte as the server holds them. */
  resultLines(job: BatchJob, signal?: AbortSignal): AsyncGenerator<RawResultLine, void, undefined> {
    return mergedResultLines(job, (fileId) => this.#files.content(fileId, signal));
  }

  /**
   * What became of the requests of a job so far, as `results` gives it: whatever was answered when it was called, and some of what is answered
   * meanwhile. Of a job that has ended, all. Only Bora gives it.
   * @throws BoraError also in the middle, where the connection breaks or the job is deleted: begin anew.
   */
  async *partialResults<Body = JsonObject>(
    id: string,
    signal?: AbortSignal,
  ): AsyncGenerator<RequestOutcome<Body>, void, undefined> {
    for await (const line of this.partialResultLines(id, signal)) yield outcomeOf<Body>(line);
  }

  /** The lines of `partialResults`, byte for byte as the result files of the ended job will have them. */
  partialResultLines(id: string, signal?: AbortSignal): AsyncGenerator<RawResultLine, void, undefined> {
    const path = `${jobPath(id)}/results`;
    return inInputOrder((kind) =>
      download(this.#transport, { method: 'GET', path, query: { kind }, signal }),
    );
  }

  async #look(call: Call, id: string): Promise<BatchJob> {
    try {
      const job = await this.#transport.json<BatchJob>(call);
      this.#created.forget(id);
      return job;
    } catch (error) {
      throw this.#created.isNew(id) && error instanceof BoraError && error.status === 404
        ? new JobNotVisibleYet(id, error)
        : error;
    }
  }
}

function jobPath(id: string): string {
  return `/v1/batch/jobs/${encodeURIComponent(id)}`;
}
