import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LAST_USED_STEP_MS } from '@bora/server/storage/ports/access-records';
import { DatabaseWorld, type OpenDatabase } from './database-world.ts';

export function registerAccessContract(open: OpenDatabase): void {
  describe('access', () => {
    it('has one default workspace and one signing secret, over restarts too', async () => {
      await using world = await DatabaseWorld.open(open);
      const secret = await world.database.signingSecret();
      assert.match(secret, /^[0-9a-f]{64}$/);
      assert.equal(await world.database.signingSecret(), secret);
      await world.restart();
      assert.equal((await world.database.defaultWorkspace()).id, world.workspaceId);
      assert.equal(await world.database.signingSecret(), secret);
    });

    it('finds a key by its hash, live until it is revoked', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const key = { id: 'k1', workspace: 'team', name: 'ci', hash: 'h1', prefix: 'bora_a' };
      assert.equal(await database.hasKeys(), false);
      const created = await database.createKey(key);
      assert.deepEqual(await database.createKey(key), created, 'a repeat answers the same key');
      const { createdAt, scope, state, user, expiresAt, lastUsedAt } = created;
      assert.deepEqual(
        { createdAt, scope, state, user, expiresAt, lastUsedAt },
        {
          createdAt: world.clock.now(),
          scope: 'write',
          state: 'live',
          user: null,
          expiresAt: null,
          lastUsedAt: null,
        },
      );
      assert.equal(await database.hasKeys(), true);
      const found = await database.findKey('h1');
      assert.deepEqual([found?.key, found?.workspace.name], [created, 'team']);
      assert.equal(await database.findKey('h2'), null);

      assert.equal(await database.revokeKey('k1'), true);
      assert.equal(await database.revokeKey('k1'), false);
      assert.equal(await database.revokeKey('unknown'), false);
      const revoked = (await database.findKey('h1'))?.key;
      assert.deepEqual([revoked?.state, revoked?.revokedAt], ['revoked', world.clock.now()]);
      assert.equal(await database.hasKeys(), true, 'what was closed stays closed');
      assert.deepEqual(
        (await database.listKeys()).map(({ id, revokedAt }) => [id, revokedAt]),
        [['k1', world.clock.now()]],
      );
    });

    it('lets a key expire at its time', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, clock } = world;
      const expiresAt = clock.now() + 1_000;
      const key = { id: 'k1', workspace: 'team', name: 'ci', hash: 'h1', prefix: 'b', expiresAt };
      await database.createKey({ ...key, user: 'ada', scope: 'admin' });
      await clock.advance(999);
      const { state, user, scope } = (await database.findKey('h1'))!.key;
      assert.deepEqual([state, user, scope], ['live', 'ada', 'admin']);
      await clock.advance(1);
      assert.equal((await database.findKey('h1'))?.key.state, 'expired');
      assert.equal((await database.listKeys())[0].state, 'expired');
      assert.equal(await database.hasKeys(), true);
    });

    it('notes the use of a live key coarsely, and of no other', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, clock } = world;
      await database.createKey({ id: 'k1', workspace: 'team', name: 'ci', hash: 'h1', prefix: 'b' });
      const lastUsed = async (): Promise<number | null> => (await database.listKeys())[0].lastUsedAt;
      const first = clock.now();
      await database.findKey('h1');
      assert.equal(await lastUsed(), first);
      await clock.advance(LAST_USED_STEP_MS - 1);
      await database.findKey('h1');
      assert.equal(await lastUsed(), first);
      await clock.advance(1);
      await database.findKey('h1');
      assert.equal(await lastUsed(), first + LAST_USED_STEP_MS);
      await database.revokeKey('k1');
      await clock.advance(LAST_USED_STEP_MS);
      await database.findKey('h1');
      assert.equal(await lastUsed(), first + LAST_USED_STEP_MS);
    });

    it('gives keys of one workspace name the same workspace', async () => {
      await using world = await DatabaseWorld.open(open);
      const a = await world.workspace('team');
      assert.equal(await world.workspace('team'), a);
      assert.notEqual(await world.workspace('other'), a);
      assert.notEqual(a, world.workspaceId);
    });
  });
}
