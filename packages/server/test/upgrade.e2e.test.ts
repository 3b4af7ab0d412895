import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { answerOf, INPUT, MODEL, REQUESTS, wrongResults } from '@bora/testkit/power/requests';
import { startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import SqliteDatabase from 'better-sqlite3';
import { inspectDataFolder } from '../src/data-folder.ts';
import { systemClock } from '../src/observe/clock.ts';

/** Data folders that older versions left when they were killed; testkit's write-older-folder.ts makes them. */
const FOLDERS = join(import.meta.dirname, 'older-folders');

describe('a data folder that an older Bora left when it was killed', { timeout: 60_000 }, () => {
  for (const archive of readdirSync(FOLDERS)) {
    it(`opens, has what it had, and its jobs go on: ${archive}`, async () => {
      await using folder = await makeTemporaryFolder();
      execFileSync('tar', ['-xzf', join(FOLDERS, archive), '-C', folder.path]);
      const { version, at } = versionAndTime(folder.path);
      assert.equal(archive, `schema-${version}.tar.gz`);
      await using upstream = await startScriptedUpstream([MODEL, 'unloaded'], answerOf);
      const bora = await startWholeBora({
        upstreams: [upstream.url],
        dataFolder: folder.path,
        // Its jobs would be long past their deadlines.
        overrides: { clock: { ...systemClock, now: () => at + Math.floor(systemClock.elapsed()) } },
      });
      const { client } = bora;
      const { data: files } = await client.files.list();
      const upload = files.find(({ source }) => source === 'upload');
      assert.equal(await new Response(await client.files.content(upload?.id ?? '')).text(), INPUT);

      const { data: jobs } = await client.jobs.list({ order_by: 'created' });
      assert.equal(jobs.length, 3);
      assert.equal(jobs[0]?.status, 'SUCCESS');
      for (const { id } of jobs) {
        const job = await client.jobs.waitUntilComplete(id, { intervalMs: 20 });
        assert.deepEqual(await wrongResults(client, job), []);
      }
      // Of the second it held 20 answers at least.
      assert.ok(upstream.requests.length <= 2 * REQUESTS - 20, `${upstream.requests.length} sent`);
      await bora[Symbol.asyncDispose]();
      assert.deepEqual((await inspectDataFolder(folder.path)).damages, []);
    });
  }
});

/** Its schema, and when it was last written. */
function versionAndTime(folder: string): { version: number; at: number } {
  const db = new SqliteDatabase(join(folder, 'bora.sqlite'), { readonly: true });
  try {
    const at = db.prepare('SELECT max(created_at) FROM batch').pluck().get() as number;
    return { version: Number(db.pragma('user_version', { simple: true })), at };
  } finally {
    db.close();
  }
}
