import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { JobStatus } from '@bora/protocol/mistral-jobs';
import type { RequestSet } from './request-sets.ts';

/** `asked`: whether it happened is not known, because the answer was lost. */
export type Deletion = 'no' | 'asked' | 'done';

/** An upload that was acknowledged. */
export interface FileBook {
  readonly id: string;
  readonly set: RequestSet;
  /** Models that a job asked of it. No two jobs may send the same bodies. */
  readonly models: string[];
  deletion: Deletion;
}

export interface JobBook {
  /** Goes with it as metadata, so that a job whose create was not answered is found again. */
  readonly number: number;
  readonly dialect: 'mistral' | 'openai';
  readonly model: string;
  readonly sets: readonly RequestSet[];
  readonly fileIds: readonly string[];
  readonly fate: 'finish' | 'cancel' | 'deadline';
  /** Null until its create is known to have happened. */
  id: string | null;
  cancelAsked: boolean;
  /** The clock went past its deadline. */
  isDue: boolean;
  /** The most that any answer has shown as completed. */
  seen: number;
  /** By ordinal of what was durable at a death: how often it had been received by then. */
  settled: Record<number, number>;
  /** Once it ended and its results were found to be right. */
  end: { readonly status: JobStatus; readonly files: readonly ResultBook[] } | null;
  deletion: Deletion;
}

interface ResultBook {
  readonly id: string;
  readonly sha256: string;
}

/** What the run knows of the world that it tortures, written down after each kill. */
export interface TortureBooks {
  readonly seed: number;
  kills: number;
  /** Starts after which everything acknowledged was looked at in full. */
  checkedStarts: number;
  clockAheadMs: number;
  jobsMade: number;
  jobsEnded: number;
  requestsEnded: number;
  requestsSentAgain: number;
  poisoned: number;
  seconds: number;
  files: FileBook[];
  jobs: JobBook[];
  /** Kills by the stop point passed last, or `start`: aimed at it, and fallen behind it at another moment. */
  readonly aimed: Record<string, number>;
  readonly fallen: Record<string, number>;
  /** Kills that found such a thing in the folder. */
  readonly found: Record<string, number>;
  /** What the last kill found. */
  lastFound: string[];
}

export function newBooks(seed: number): TortureBooks {
  return {
    seed,
    kills: 0,
    checkedStarts: 0,
    clockAheadMs: 0,
    jobsMade: 0,
    jobsEnded: 0,
    requestsEnded: 0,
    requestsSentAgain: 0,
    poisoned: 0,
    seconds: 0,
    files: [],
    jobs: [],
    aimed: {},
    fallen: {},
    found: {},
    lastFound: [],
  };
}

/** Null if no run has left any. A new run counts what is received from 0 again, so settled requests must stay there. */
export function readBooks(file: string): TortureBooks | null {
  if (!existsSync(file)) return null;
  const books = JSON.parse(readFileSync(file, 'utf8')) as TortureBooks;
  for (const job of books.jobs)
    for (const ordinal of Object.keys(job.settled)) job.settled[Number(ordinal)] = 0;
  return books;
}

/** Whole or not at all, so that the run may be killed too. */
export function writeBooks(file: string, books: TortureBooks): void {
  writeFileSync(`${file}.new`, JSON.stringify(books));
  renameSync(`${file}.new`, file);
}

export function requestsOf({ sets }: JobBook): number {
  return sets.reduce((sum, { lines }) => sum + lines, 0);
}
