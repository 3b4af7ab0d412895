import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { reportOf } from '@bora/testkit/torture/report';
import { TortureRun } from '@bora/testkit/torture/torture-run';

test('the torture goes on where it was interrupted, counts its kills, and tells what it never visited', async () => {
  await using folder = await makeTemporaryFolder();
  const settings = { folder: folder.path, seed: 7, only: null };
  {
    await using run = await TortureRun.open({ ...settings, kills: 100 });
    const stop = new AbortController();
    await run.run((books) => {
      if (books.kills === 2) stop.abort();
    }, stop.signal);
    assert.equal(run.books.kills, 2);
  }
  await using run = await TortureRun.open({ ...settings, kills: 4, seed: 8 });
  const kills: number[] = [];
  await run.run((books) => kills.push(books.kills), new AbortController().signal);
  assert.deepEqual(kills, [3, 4]);

  const { seed, points, unvisited } = reportOf(run.books, null, null);
  assert.equal(seed, 7);
  assert.equal(
    points.reduce((sum, { aimed, fallen }) => sum + aimed + fallen, 0),
    4,
  );
  const aimed = points.filter((row) => row.aimed > 0 && row.point !== 'start');
  assert.ok(unvisited.length >= points.length - 1 - aimed.length, unvisited.join());
  assert.deepEqual(
    reportOf(run.books, null, 'upload.written').unvisited.length,
    aimed.some(({ point }) => point === 'upload.written') ? 0 : 1,
  );
});
