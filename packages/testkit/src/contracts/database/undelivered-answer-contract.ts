import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseWorld, type OpenDatabase } from './database-world.ts';

const MINUTE_MS = 60_000;

export function registerUndeliveredAnswerContract(open: OpenDatabase): void {
  describe('undelivered answers', () => {
    it('gives each object to one call, the oldest first, also over a restart', async () => {
      await using world = await DatabaseWorld.open(open);
      for (const place of [1, 2]) {
        const answer = { call: `made ${place}`, createdAs: 'a', objectId: `object ${place}` };
        await world.database.recordUndelivered(answer);
        await world.database.recordUndelivered(answer);
        await world.clock.advance(1);
      }
      await world.database.recordUndelivered({ call: 'made 3', createdAs: 'b', objectId: 'other' });
      await world.restart();
      const { database } = world;
      assert.equal(await database.takeUndelivered('a', 'first'), 'object 1');
      assert.equal(await database.takeUndelivered('a', 'first'), 'object 1', 'repeated');
      assert.equal(await database.takeUndelivered('a', 'second'), 'object 2');
      assert.equal(await database.takeUndelivered('a', 'first'), 'object 1', 'repeated late');
      assert.equal(await database.takeUndelivered('a', 'third'), null);
      await database.recordUndelivered({ call: 'made 1', createdAs: 'a', objectId: 'object 1' });
      assert.equal(await database.takeUndelivered('a', 'third'), null, 'a late repeat gives nothing back');
      assert.equal(await database.takeUndelivered('b', 'third'), 'other');
    });

    it('forgets an object after ten minutes', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, clock } = world;
      await database.recordUndelivered({ call: '1', createdAs: 'a', objectId: 'object' });
      await clock.advance(10 * MINUTE_MS);
      await database.recordUndelivered({ call: '2', createdAs: 'b', objectId: 'other' });
      assert.equal(await database.takeUndelivered('a', 'call'), null);
      await clock.advance(10 * MINUTE_MS - 1);
      assert.equal(await database.takeUndelivered('b', 'call'), 'other');
    });
  });
}
