import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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

    it('finds a live key by its hash, and no longer once it is revoked', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const key = { id: 'k1', workspace: 'team', name: 'ci', hash: 'h1', prefix: 'bora_a' };
      assert.equal(await database.hasKeys(), false);
      const created = await database.createKey(key);
      assert.deepEqual(await database.createKey(key), created, 'a repeat answers the same key');
      assert.equal(created.createdAt, world.clock.now());
      assert.equal(await database.hasKeys(), true);
      assert.deepEqual(await database.findKey('h1'), created);
      assert.equal(await database.findKey('h2'), null);

      assert.equal(await database.revokeKey('k1'), true);
      assert.equal(await database.revokeKey('k1'), false);
      assert.equal(await database.revokeKey('unknown'), false);
      assert.equal(await database.findKey('h1'), null);
      assert.equal(await database.hasKeys(), false);
      assert.deepEqual(
        (await database.listKeys()).map(({ id, revokedAt }) => [id, revokedAt]),
        [['k1', world.clock.now()]],
      );
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
