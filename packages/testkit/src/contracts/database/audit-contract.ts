import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Actor, AuditFilter } from '@bora/server/storage/ports/audit-records';
import { DatabaseWorld, newBatch, newFile, NO_LIMITS, type OpenDatabase } from './database-world.ts';

const ADA: Actor = { keyId: 'k1', user: 'ada', ip: '10.0.0.1' };
const BEN: Actor = { keyId: 'k2', user: null, ip: null };
const ALL: AuditFilter = { pageSize: 100 };

export function registerAuditContract(open: OpenDatabase): void {
  describe('the audit log', () => {
    it('names each act with who did it, once, however often it is asked for', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session, workspaceId } = world;
      const file = newFile({ workspaceId, createdBy: 'ada' });
      const batch = newBatch({ workspaceId, inputFileIds: [file.id] });
      const key = { id: 'k9', workspace: 'team', name: 'ci', hash: 'h', prefix: 'b' };
      for (let time = 0; time < 2; time++) {
        await database.createFile(file, session, ADA);
        await database.createBatch(batch, NO_LIMITS, ADA);
        await database.cancelBatch(workspaceId, batch.id, BEN);
      }
      for (let time = 0; time < 2; time++) {
        await database.deleteBatch(workspaceId, batch.id, BEN);
        await database.deleteFile(workspaceId, file.id, ADA);
        await database.createKey(key, ADA);
        await database.changeWorkspace(workspaceId, { weight: 2 }, BEN);
        await database.changeWorkspace(workspaceId, { limits: { maxActiveJobs: 1 } }, BEN);
        await database.changeWorkspace(workspaceId, { disabled: 'unpaid' }, BEN);
      }
      for (let time = 0; time < 2; time++) {
        await database.revokeKey('k9', BEN);
        await database.changeWorkspace(workspaceId, { disabled: null }, ADA);
      }
      await world.restart();
      const { entries, next } = await world.database.readAudit({ ...ALL, from: world.clock.now() });
      const teamId = (await world.database.getWorkspace('team'))!.id;
      assert.equal(next, null);
      assert.deepEqual(
        entries.toReversed().map(({ action, subjectId, actor }) => [action, subjectId, actor]),
        [
          ['workspace.create', workspaceId, { keyId: null, user: null, ip: null }],
          ['file.create', file.id, ADA],
          ['batch_job.create', batch.id, ADA],
          ['batch_job.cancel', batch.id, BEN],
          ['batch_job.delete', batch.id, BEN],
          ['file.delete', file.id, ADA],
          ['workspace.create', teamId, ADA],
          ['api_key.create', 'k9', ADA],
          ['workspace.weight', workspaceId, BEN],
          ['workspace.limits', workspaceId, BEN],
          ['workspace.disable', workspaceId, BEN],
          ['api_key.revoke', 'k9', BEN],
          ['workspace.enable', workspaceId, ADA],
        ],
      );
      const [created] = entries.filter(({ action }) => action === 'api_key.create');
      const [limits] = entries.filter(({ action }) => action === 'workspace.limits');
      assert.deepEqual(limits.detail, { max_active_jobs: 1 });
      assert.deepEqual([created.workspace, created.at], ['team', world.clock.now()]);
      assert.deepEqual(created.detail, { name: 'ci', user: null, scope: 'write', expires_at: null });
    });

    it('holds nothing of an act that was refused', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session, workspaceId } = world;
      const before = (await database.readAudit(ALL)).entries.length;
      const unowned = { ...(await world.blob(70_000)), name: 'nobody' };
      const file = newFile({ workspaceId, bytes: 70_000, manifest: [unowned] });
      await assert.rejects(database.createFile(file, session, ADA), { name: 'BlobNotWritten' });
      await database.createBatch(newBatch({ workspaceId, inputFileIds: [file.id] }), NO_LIMITS, ADA);
      await database.deleteFile(workspaceId, file.id, ADA);
      await database.cancelBatch(workspaceId, 'unknown', ADA);
      await database.revokeKey('unknown', ADA);
      assert.equal((await database.readAudit(ALL)).entries.length, before);
    });

    it('is read newest first in pages that neither skip nor repeat, by any filter', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, clock } = world;
      const from = clock.now() + 1;
      const keys = Array.from({ length: 7 }, (_, at) => `k${at}`);
      for (const id of keys) {
        await clock.advance(1);
        await database.createKey({ id, workspace: id === 'k3' ? 'b' : 'a', name: id, hash: id, prefix: 'b' });
      }
      const read = async (filter: Partial<AuditFilter>): Promise<string[]> => {
        const actions = ['api_key.create'] as const;
        const { entries } = await database.readAudit({ ...ALL, actions, ...filter });
        return entries.map(({ subjectId }) => subjectId);
      };
      assert.deepEqual(await read({}), keys.toReversed());
      assert.deepEqual(await read({ from: from + 2, to: from + 5 }), ['k4', 'k3', 'k2']);
      assert.deepEqual(await read({ subjectId: 'k5' }), ['k5']);
      const { id: workspaceId } = (await database.getWorkspace('b'))!;
      assert.deepEqual(await read({ workspaceId }), ['k3']);
      assert.deepEqual(await read({ actions: ['batch_job.delete'] }), []);

      const paged: string[] = [];
      let before: number | null | undefined;
      while (before !== null) {
        const page = await database.readAudit({
          pageSize: 3,
          actions: ['api_key.create'],
          ...(before === undefined ? {} : { before }),
        });
        paged.push(...page.entries.map(({ subjectId }) => subjectId));
        before = page.next;
        await database.createKey({
          id: `late${paged.length}`,
          workspace: 'a',
          name: 'l',
          hash: `l${paged.length}`,
          prefix: 'b',
        });
      }
      assert.deepEqual(paged, keys.toReversed());
    });

    it('forgets what is too old, a bounded part at a time', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, clock } = world;
      for (const id of ['k1', 'k2', 'k3']) {
        await database.createKey({ id, workspace: 'default', name: id, hash: id, prefix: 'b' });
        await clock.advance(1_000);
      }
      assert.equal(await database.pruneAudit(1_000, 2), 2);
      assert.equal(await database.pruneAudit(1_000, 2), 1);
      assert.equal(await database.pruneAudit(1_000, 2), 0);
      assert.deepEqual(
        (await database.readAudit(ALL)).entries.map(({ subjectId }) => subjectId),
        ['k3'],
      );
    });
  });
}
