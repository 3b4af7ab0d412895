import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '@bora/server/storage/ports/database';

/**
 * Plants a defect, together with skip-lease-check.ts: the lease is read in one transaction, and the row written in another, after all that
 * others had to do meanwhile.
 */
export function readThenWrite(database: Database): Database {
  const running = new Set<Promise<unknown>>();
  const noted = (call: (...args: unknown[]) => Promise<unknown>) => {
    return (...args: unknown[]): Promise<unknown> => {
      const answer = call(...args);
      running.add(answer);
      return answer.finally(() => running.delete(answer));
    };
  };
  const appendJournal: Database['appendJournal'] = async (session, rows) => {
    const { shards } = await database.leasesOf(session);
    const isHeld = (row: (typeof rows)[number]): boolean =>
      shards.some(({ shardId, epoch }) => shardId === row.shardId && epoch === row.epoch);
    do await nextTurn();
    while (running.size > 0);
    const written = await database.appendJournal(session, rows.filter(isHeld));
    return rows.map((row) => (isHeld(row) ? (written.shift() ?? 'fenced') : 'fenced'));
  };
  return new Proxy(database, {
    get(target, property: keyof Database) {
      if (property === 'appendJournal') return appendJournal;
      const value: unknown = target[property];
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
      return property === 'onHint' || property === Symbol.asyncDispose ? call : noted(call);
    },
  });
}
