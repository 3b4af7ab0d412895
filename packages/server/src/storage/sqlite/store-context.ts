import type { Database as Sqlite, Statement } from 'better-sqlite3';
import type { Hint } from '../ports/database.ts';

/** What the stores share inside the database thread. Each method of a store runs inside one transaction. */
export interface StoreContext {
  readonly db: Sqlite;
  /** This opening of the database; sessions of any other boot are dead. */
  readonly boot: string;
  /** The time of the current transaction. */
  now(): number;
  /** Told to others after the commit. */
  hint(hint: Hint): void;
  /** Prepared once per SQL text. */
  sql(text: string): Statement;
  /** Called between the journal rows' writes and the commit; for the crash harness. */
  inJournalTransaction(): void;
}

/** Runs a query for one row or all, typed by the caller: columns are known by the SQL beside it. */
export function first<Row>(context: StoreContext, text: string, ...values: unknown[]): Row | undefined {
  return context.sql(text).get(...values) as Row | undefined;
}

export function all<Row>(context: StoreContext, text: string, ...values: unknown[]): Row[] {
  return context.sql(text).all(...values) as Row[];
}

/** Runs a statement; answers how many rows changed. */
export function run(context: StoreContext, text: string, ...values: unknown[]): number {
  return context.sql(text).run(...values).changes;
}
