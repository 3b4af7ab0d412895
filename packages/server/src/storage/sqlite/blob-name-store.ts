import { randomUUID } from 'node:crypto';
import type { BlobNames, CollectableBlob } from '../ports/blob-names.ts';
import { BlobNotWritten } from '../ports/file-records.ts';
import { isAlive } from './session-store.ts';
import { all, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

export function blobNameStore(context: StoreContext): Synchronous<BlobNames> {
  return {
    reserveBlobs(session, count) {
      if (!isAlive(context, session)) {
        throw new BlobNotWritten(`Session ${session} is closed or was declared dead; it gets no names.`);
      }
      const names = Array.from({ length: count }, () => randomUUID().replaceAll('-', ''));
      for (const name of names) {
        run(
          context,
          `INSERT INTO blob_name (name, state, owner, changed_at) VALUES (?, 'writing', ?, ?)`,
          name,
          session,
          context.now(),
        );
      }
      return names;
    },

    releaseBlobs(session, names) {
      for (const name of names) {
        run(
          context,
          `UPDATE blob_name SET state = 'released', changed_at = ? WHERE name = ? AND state = 'writing' AND owner = ?`,
          context.now(),
          name,
          session,
        );
      }
    },

    collectableBlobs(graceMs, limit, after) {
      return all<CollectableBlob>(
        context,
        `SELECT name, CASE state WHEN 'released' THEN 'first' ELSE 'second' END AS pass, changed_at AS since FROM blob_name
         WHERE state IN ('released', 'erased') AND changed_at <= ? AND (changed_at, name) > (?, ?)
         ORDER BY changed_at, name LIMIT ?`,
        context.now() - graceMs,
        after?.since ?? 0,
        after?.name ?? '',
        limit,
      );
    },

    markErased(blobs) {
      for (const { name, pass } of blobs) {
        if (pass === 'first') {
          run(
            context,
            `UPDATE blob_name SET state = 'erased', changed_at = ? WHERE name = ? AND state = 'released'`,
            context.now(),
            name,
          );
        } else {
          run(context, `DELETE FROM blob_name WHERE name = ? AND state = 'erased'`, name);
        }
      }
    },
  };
}
