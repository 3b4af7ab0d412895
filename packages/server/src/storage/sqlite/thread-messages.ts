import type { Hint } from '../ports/database.ts';

/** What the database thread is started with. */
export interface ThreadOptions {
  readonly folder: string;
  /** Hold the folder for this process. Off only for short administrative transactions beside a running server. */
  readonly lock: boolean;
  readonly now: number;
  /** For the crash harness: kill the process inside the n-th journal transaction, rows written and not committed. */
  readonly killInJournalTransaction: number | null;
  /** For tests that plant a defect: URL of a module that exports `storeVariant: StoreVariant`. */
  readonly storeVariant: string | null;
}

/** One port method, which is one transaction, at the caller's time. */
export interface Call {
  readonly id: number;
  readonly method: string;
  readonly now: number;
  readonly args: readonly unknown[];
}

export type Reply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly error: DescribedError }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown; readonly hints: readonly Hint[] }
  | { readonly kind: 'error'; readonly id: number; readonly error: DescribedError };

export interface DescribedError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
}
