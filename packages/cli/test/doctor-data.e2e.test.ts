import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { bora } from './bora-process.ts';

test('doctor --data lists damage, repairs what loses nothing, and then finds the folder sound', async () => {
  await using folder = await makeTemporaryFolder();
  const whole = await startWholeBora({ dataFolder: folder.path });
  await whole.client.files.upload(new Blob(['a document']), { filename: 'a.txt', purpose: 'ocr' });
  await whole[Symbol.asyncDispose]();
  await writeFile(join(folder.path, 'blobs/objects/00/stranger'), 'bytes');

  const found = await bora(['doctor', '--data', folder.path]);
  assert.equal(found.code, 7);
  assert.match(
    found.stdout,
    /^orphan-bytes +objects\/00\/stranger +The database does not know it\. +with --repair$/m,
  );
  assert.match(found.stderr, /1 damage found, 1 left\.\n1 of them --repair removes/);

  const repaired = await bora(['doctor', '--data', folder.path, '--repair', '--json']);
  assert.equal(repaired.code, 0);
  assert.equal(repaired.stderr, '');
  const report = JSON.parse(repaired.stdout) as {
    ok: boolean;
    damages: { kind: string; isRepaired: boolean }[];
  };
  assert.equal(report.ok, true);
  assert.deepEqual(
    report.damages.map(({ kind, isRepaired }) => [kind, isRepaired]),
    [['orphan-bytes', true]],
  );

  const sound = await bora(['doctor', '--data', folder.path]);
  assert.equal(sound.code, 0);
  assert.match(sound.stdout, /is sound: 1 file, 0 jobs, 0 objects, 10 B\./);
});

test('doctor --data refuses a folder that a Bora holds, one without a Bora, and --repair alone', async () => {
  await using whole = await startWholeBora();
  const held = await bora(['doctor', '--data', whole.dataFolder]);
  assert.equal(held.code, 2);
  assert.match(held.stderr, new RegExp(`in use by another Bora \\(process ${process.pid}`));
  const empty = await bora(['doctor', '--data', join(whole.dataFolder, 'nothing')]);
  assert.equal(empty.code, 2);
  assert.match(empty.stderr, /There is no Bora in/);
  const alone = await bora(['doctor', '--repair']);
  assert.equal(alone.code, 2);
  assert.match(alone.stderr, /--repair needs --data/);
});
