import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { bora } from './bora-process.ts';

/** In the header of an SQLite file. */
const USER_VERSION_AT = 60;

test('backup copies the folder of a running Bora, and refuses a folder that holds something else', async () => {
  await using folder = await makeTemporaryFolder();
  await using whole = await startWholeBora();
  await whole.client.files.upload(new Blob(['x'.repeat(100_000)]), { filename: 'a.txt', purpose: 'ocr' });
  const target = join(folder.path, 'backup');

  const first = await bora(['backup', '--data', whole.dataFolder, target]);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.stdout, `Backed up to ${target}: the database and 1 object, 1 of them new (98 KiB).\n`);
  const second = await bora(['backup', '--data', whole.dataFolder, target, '--json']);
  assert.deepEqual(JSON.parse(second.stdout), { folder: target, objects: 1, copied: 0, copied_bytes: 0 });
  assert.equal((await bora(['doctor', '--data', target])).code, 0);

  const refused = await bora(['backup', '--data', whole.dataFolder, whole.dataFolder]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /holds something else than a back-up/);
});

test('serve refuses a folder of a newer Bora with a sentence, a code, and code 2', async () => {
  await using folder = await makeTemporaryFolder();
  await (await startWholeBora({ dataFolder: folder.path }))[Symbol.asyncDispose]();
  await using database = await open(join(folder.path, 'bora.sqlite'), 'r+');
  await database.write(Buffer.from([0, 0, 3, 231]), 0, 4, USER_VERSION_AT);
  const refused = await bora(['serve', '--data', folder.path, '--port', '0', '--json']);
  assert.equal(refused.code, 2);
  const { error } = JSON.parse(refused.stdout) as { error: { code: string; message: string } };
  assert.equal(error.code, 'data_folder_newer');
  assert.match(error.message, /written by a newer Bora \(schema 999, .* Start the newer version/);
});
