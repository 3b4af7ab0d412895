import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { bora } from './bora-process.ts';

test('backup copies the folder of a running Bora, and refuses a folder that holds something else', async () => {
  await using folder = await makeTemporaryFolder();
  await using whole = await startWholeBora();
  await whole.client.files.upload(new Blob(['x'.repeat(100_000)]), { filename: 'a.txt', purpose: 'ocr' });
  const target = join(folder.path, 'backup');

  const first = await bora(['backup', '--data', whole.dataFolder, target]);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.stdout, `Backed up to ${target}: 1 object, 1 of them new (98 KiB).\n`);
  const second = await bora(['backup', '--data', whole.dataFolder, target, '--json']);
  assert.deepEqual(JSON.parse(second.stdout), { folder: target, objects: 1, copied: 0, copied_bytes: 0 });
  assert.equal((await bora(['doctor', '--data', target])).code, 0);

  const refused = await bora(['backup', '--data', whole.dataFolder, whole.dataFolder]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /holds something else than a back-up/);
});
