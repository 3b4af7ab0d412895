import { DatabaseRefused } from '../storage/ports/database.ts';

/** A rejection does not say whether the transaction happened, and asking once more does. */
export function askedTwice<Result>(ask: () => Promise<Result>): Promise<Result> {
  return ask().catch((error: unknown) => {
    if (error instanceof DatabaseRefused) throw error;
    return ask();
  });
}
