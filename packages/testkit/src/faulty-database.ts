import type { Database } from '@bora/server/storage/ports/database';

/** A method that can be made to fail. */
export type DatabaseMethod = Exclude<keyof Database, 'onHint' | 'lost' | typeof Symbol.asyncDispose>;

/**
 * What becomes of a call. `fail-before`: it rejects and nothing has happened. `fail-after-commit`: the transaction is durable, and
 * the caller is told that it failed. From outside the two look the same: this is an error of unknown outcome.
 */
export type CallFate = 'pass' | 'fail-before' | 'fail-after-commit';

/** Decides about the `call`-th call of `method`, counted from 1 for each method. */
export type FaultPlan = (method: DatabaseMethod, call: number) => CallFate;

/** The error of a call that was made to fail; nothing else rejects with it. */
export class InjectedFault extends Error {
  override readonly name = 'InjectedFault';

  constructor(method: DatabaseMethod, call: number) {
    super(`Call ${call} of ${method} was made to fail. Whether it happened is not told.`);
  }
}

/**
 * The same database, whose calls fail as `plan` says. Hints, disposing, and what the calls do when they pass are those of the
 * database behind it.
 */
export function faultyDatabase(database: Database, plan: FaultPlan): Database {
  const calls = new Map<DatabaseMethod, number>();
  return new Proxy(database, {
    get(target, property: keyof Database) {
      if (property === 'lost') return target.lost;
      if (property === 'onHint' || property === Symbol.asyncDispose) return target[property].bind(target);
      const method = target[property] as ((...args: unknown[]) => Promise<unknown>) | undefined;
      if (typeof method !== 'function') return method;
      return async (...args: unknown[]): Promise<unknown> => {
        const call = (calls.get(property) ?? 0) + 1;
        calls.set(property, call);
        const fate = plan(property, call);
        if (fate === 'fail-before') throw new InjectedFault(property, call);
        const result = await method.apply(target, args);
        if (fate === 'fail-after-commit') throw new InjectedFault(property, call);
        return result;
      };
    },
  });
}
