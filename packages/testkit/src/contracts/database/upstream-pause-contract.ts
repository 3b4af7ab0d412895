import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseWorld, type OpenDatabase } from './database-world.ts';

export function registerUpstreamPauseContract(open: OpenDatabase): void {
  describe('pauses of upstreams', () => {
    it('keeps a pause over restarts until it is ended', async () => {
      await using world = await DatabaseWorld.open(open);
      const { clock } = world;
      const pause = { upstream: 'gpu', reason: 'new cards', pausedAt: clock.now() };
      assert.deepEqual(await world.database.pauseUpstream('gpu', 'new cards'), pause);
      await world.database.pauseUpstream('edge', '');
      await world.restart();
      const edge = { upstream: 'edge', reason: '', pausedAt: pause.pausedAt };
      assert.deepEqual(await world.database.listUpstreamPauses(), [edge, pause]);
      assert.equal(await world.database.resumeUpstream('edge'), true);
      assert.equal(await world.database.resumeUpstream('edge'), false);
      assert.deepEqual(await world.database.listUpstreamPauses(), [pause]);
    });

    it('takes another reason for a pause, and leaves since when it is', async () => {
      await using world = await DatabaseWorld.open(open);
      const { clock, database } = world;
      const { pausedAt } = await database.pauseUpstream('gpu', 'new cards');
      await clock.advance(1_000);
      const again = { upstream: 'gpu', reason: 'more cards', pausedAt };
      assert.deepEqual(await database.pauseUpstream('gpu', 'more cards'), again);
      assert.deepEqual(await database.listUpstreamPauses(), [again]);
    });
  });
}
