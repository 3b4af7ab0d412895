import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeTemporaryFolder, type TemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import SqliteDatabase from 'better-sqlite3';
import { inspectDataFolder } from '../src/data-folder.ts';
import { systemClock } from '../src/observe/clock.ts';

/** A folder with all that can be damaged: objects of an upload and of results, and a job in the middle. */
let sound: TemporaryFolder;
/** The upload, its object, the results of the job that ended, that job, the job in the middle and its shard with a journal. */
const facts = { upload: '', object: '', results: '', ended: '', open: '', shard: 0 };

before(async () => {
  sound = await makeTemporaryFolder();
  await workUntilTheMiddle();
  using db = opened(sound.path);
  facts.object = db.get<string>(`SELECT blob_name FROM file_part WHERE file_id = '${facts.upload}'`);
  facts.shard = db.get<number>('SELECT shard_id FROM journal ORDER BY shard_id LIMIT 1');
});
after(() => sound[Symbol.asyncDispose]());

async function workUntilTheMiddle(): Promise<void> {
  await using whole = await startWholeBora({
    dataFolder: sound.path,
    env: { BORA_STOP_GRACE_SECONDS: '0' },
    simulator: { models: ['m'], latencyMs: 2, outputTokens: 300 },
  });
  const { client, simulator } = whole;
  const lines = Array.from({ length: 200 }, (_, at) => line(`${at} ${'long '.repeat(80)}`));
  facts.upload = (await client.files.upload(new Blob(lines), { filename: 'a.jsonl' })).id;
  const job = { endpoint: '/v1/chat/completions' as const, model: 'm', input_files: [facts.upload] };
  facts.ended = (await client.jobs.create(job)).id;
  let ended = await client.jobs.get(facts.ended);
  while (ended.status !== 'SUCCESS') {
    await systemClock.sleep(10);
    ended = await client.jobs.get(facts.ended);
  }
  facts.results = ended.output_file ?? '';
  await simulator.configure({ rateHang: 0.5, seed: 7 });
  await cancelOfOpenAi(whole.url);
  facts.open = (await client.jobs.create(job)).id;
  while ((await client.jobs.get(facts.open)).completed_requests < 20) await systemClock.sleep(10);
}

/** It gets an error line for each request that had no outcome. */
async function cancelOfOpenAi(url: string): Promise<void> {
  const batches = `${url}/v1/batches`;
  const form = new FormData();
  const request = (at: number): object => ({
    custom_id: `${at}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'm', messages: [{ role: 'user', content: `${at}` }] },
  });
  const lines = Array.from({ length: 40 }, (_, at) => `${JSON.stringify(request(at))}\n`).join('');
  form.set('purpose', 'batch');
  form.set('file', new Blob([lines]), 'b.jsonl');
  const ask = async (
    input: string,
    body: string | FormData | null,
    type?: string,
  ): Promise<Record<string, unknown>> => {
    const headers = { 'openai-beta': 'none', ...(type === undefined ? {} : { 'content-type': type }) };
    const response = await fetch(input, { ...(body === null ? {} : { method: 'POST', body }), headers });
    assert.ok(response.ok, await response.clone().text());
    return (await response.json()) as Record<string, unknown>;
  };
  const file = await ask(`${url}/v1/files`, form);
  const creation = {
    input_file_id: file['id'],
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  };
  let batch = await ask(batches, JSON.stringify(creation), 'application/json');
  while ((batch['request_counts'] as { completed: number } | null)?.completed === 0) {
    await systemClock.sleep(10);
    batch = await ask(`${batches}/${String(batch['id'])}`, null);
  }
  batch = await ask(`${batches}/${String(batch['id'])}/cancel`, '{}', 'application/json');
  while (batch['status'] !== 'cancelled') {
    await systemClock.sleep(10);
    batch = await ask(`${batches}/${String(batch['id'])}`, null);
  }
  assert.ok(typeof batch['error_file_id'] === 'string');
}

test('a folder of a Bora that was stopped in the middle is sound', async () => {
  let seen = 0;
  const report = await inspectDataFolder(sound.path, { onProgress: (bytes) => (seen = bytes) });
  assert.deepEqual(report.damages, []);
  assert.deepEqual([report.files, report.batches], [5, 3]);
  assert.ok(report.objects === 1 && report.bytes > 200_000, JSON.stringify(report));
  assert.equal(seen, report.bytes);
});

interface Planted {
  readonly name: string;
  readonly plant: (folder: string) => Promise<void> | void;
  /** Kinds and subjects of all that is found. */
  readonly found: () => readonly (readonly [kind: string, subject: string])[];
  readonly isRepairable?: boolean;
}

const upload = (): string => `file ${facts.upload}`;
const shard = (): string => `shard ${facts.shard} of job ${facts.open}`;

const PLANTED: readonly Planted[] = [
  {
    name: 'an object that is gone',
    plant: async (folder) => rm(await pathOf(folder, facts.object)),
    found: () => [['blob-missing', upload()]],
  },
  {
    name: 'an object that is cut off',
    plant: async (folder) => truncate(await pathOf(folder, facts.object), 1_000),
    found: () => [['blob-short', upload()]],
  },
  {
    name: 'a flipped bit',
    async plant(folder) {
      const path = await pathOf(folder, facts.object);
      const bytes = await readFile(path);
      bytes[bytes.length >> 1] ^= 1;
      await writeFile(path, bytes);
    },
    found: () => [['blob-changed', upload()]],
  },
  {
    name: 'an object that nobody knows',
    plant: (folder) => writeFile(join(folder, 'blobs/objects/00/stranger'), 'bytes'),
    found: () => [['orphan-bytes', 'objects/00/stranger']],
    isRepairable: true,
  },
  {
    name: 'a name whose owner is gone',
    plant: sql(`INSERT INTO blob_name VALUES ('leaked', 'owned', 'file/gone', 0)`),
    found: () => [['leaked-name', 'object leaked']],
    isRepairable: true,
  },
  {
    name: 'a name that a session without a row writes',
    plant: sql(`INSERT INTO blob_name VALUES ('leaked', 'writing', 'gone', 0)`),
    found: () => [['leaked-name', 'object leaked']],
    isRepairable: true,
  },
  {
    name: 'a named object that was released',
    plant: (folder) => sql(`UPDATE blob_name SET state = 'released' WHERE name = '${facts.object}'`)(folder),
    found: () => [['blob-unowned', `object ${facts.object}`]],
  },
  {
    name: 'a count of an open shard',
    plant: (folder) => sql(`UPDATE shard SET succeeded = succeeded + 1 WHERE id = ${facts.shard}`)(folder),
    found: () => [['counts', shard()]],
  },
  {
    name: 'a lost journal',
    plant: (folder) => sql(`DELETE FROM journal WHERE shard_id = ${facts.shard}`)(folder),
    found: () => [
      ['counts', shard()],
      ['counts', shard()],
    ],
  },
  {
    name: 'an outcome of another shard',
    plant: (folder) =>
      sql(`UPDATE journal SET outcomes = json_set(outcomes, '$[0][0]', 9999) WHERE shard_id = ${facts.shard}
        AND (epoch, sequence) = (SELECT epoch, sequence FROM journal WHERE shard_id = ${facts.shard} LIMIT 1)`)(
        folder,
      ),
    found: () => [['counts', shard()]],
  },
  {
    name: 'a count of shards',
    plant: (folder) => sql(`UPDATE batch SET remaining = remaining - 1 WHERE id = '${facts.open}'`)(folder),
    found: () => [['counts', `job ${facts.open}`]],
  },
  {
    name: 'a shard that is gone',
    plant: (folder) =>
      sql(`PRAGMA foreign_keys = OFF; DELETE FROM journal WHERE shard_id = ${facts.shard};
        DELETE FROM shard WHERE id = ${facts.shard};`)(folder),
    found: () => [
      ['counts', `job ${facts.open}`],
      ['counts', `job ${facts.open}`],
      ['counts', `job ${facts.open}`],
    ],
  },
  {
    name: 'a count of a job that ended',
    plant: (folder) =>
      sql(`UPDATE batch SET succeeded = succeeded - 1, failed = failed + 1 WHERE id = '${facts.ended}'`)(
        folder,
      ),
    found: () => [
      ['counts', `job ${facts.ended}`],
      ['counts', `job ${facts.ended}`],
    ],
  },
  {
    name: 'a line count of results',
    plant: (folder) =>
      sql(`UPDATE file SET num_lines = 199 WHERE id = '${facts.results}';
        UPDATE batch SET succeeded = 199, total_requests = 199 WHERE id = '${facts.ended}'`)(folder),
    found: () => [['line-index', `file ${facts.results}`]],
  },
  {
    name: 'a lost part of results',
    plant: (folder) =>
      sql(
        `DELETE FROM file_part WHERE id = (SELECT max(id) FROM file_part WHERE file_id = '${facts.results}')`,
      )(folder),
    found: () => [['counts', `file ${facts.results}`]],
  },
  {
    name: 'cuts of a line index',
    plant: (folder) =>
      sql(`UPDATE file_cuts SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'01' AS BLOB)
        WHERE file_id = '${facts.upload}'`)(folder),
    found: () => [['line-index', upload()]],
  },
  {
    name: 'the MD5 of an upload',
    plant: (folder) => sql(`UPDATE file SET signature = 'other' WHERE id = '${facts.upload}'`)(folder),
    found: () => [['line-index', upload()]],
  },
  {
    name: 'a journal of a shard that is gone',
    plant: sql(
      `PRAGMA foreign_keys = OFF; INSERT INTO journal (shard_id, epoch, sequence, outcomes, bytes) VALUES (9999, 1, 0, '[]', x'')`,
    ),
    found: () => [['stray-journal', 'shard 9999']],
    isRepairable: true,
  },
  {
    name: 'a job that nobody would finalise',
    plant: (folder) =>
      sql(`UPDATE batch SET state = 'validating', remaining = remaining + 1 WHERE id = '${facts.open}'`)(
        folder,
      ),
    found: () => [['stuck', `job ${facts.open}`]],
  },
  {
    name: 'a deleted file that nobody would remove',
    plant: (folder) => sql(`UPDATE file SET hidden_at = 1 WHERE id = '${facts.upload}'`)(folder),
    found: () => [['stuck', upload()]],
  },
  {
    name: 'a row that refers to nothing',
    plant: sql(`PRAGMA foreign_keys = OFF; INSERT INTO batch_route VALUES ('gone', 'r')`),
    found: () => [['database', 'batch_route']],
  },
];

for (const { name, plant, found, isRepairable = false } of PLANTED) {
  test(`finds ${name}, and ${isRepairable ? 'repairs it' : 'repairs nothing'}`, async () => {
    await using copy = await makeTemporaryFolder();
    await cp(sound.path, copy.path, { recursive: true });
    await plant(copy.path);
    const damages = (await inspectDataFolder(copy.path)).damages;
    assert.deepEqual(
      damages.map(({ kind, subject }) => [kind, subject]),
      found(),
    );
    assert.ok(damages.every(({ repair }) => (repair !== null) === isRepairable));
    const repaired = (await inspectDataFolder(copy.path, { repair: true })).damages;
    assert.ok(repaired.every(({ isRepaired }) => isRepaired === isRepairable));
    const left = (await inspectDataFolder(copy.path)).damages;
    assert.equal(left.length, isRepairable ? 0 : damages.length);
  });
}

test('lines that are fewer than a part says are found though its bytes are what was written', async () => {
  await using copy = await makeTemporaryFolder();
  await cp(sound.path, copy.path, { recursive: true });
  sql(`PRAGMA foreign_keys = OFF; UPDATE shard SET state = 'done', session = NULL WHERE id = ${facts.shard};
    INSERT INTO shard_part (shard_id, position, kind, lines, length, bytes)
      SELECT id, 0, 'output', succeeded, 2, x'0A0A' FROM shard WHERE id = ${facts.shard};`)(copy.path);
  const { damages } = await inspectDataFolder(copy.path);
  const found = damages.find(({ detail }) => /should hold \d+ lines, and its bytes have 2/.test(detail));
  assert.deepEqual([found?.kind, found?.subject], ['counts', shard()]);
});

test('what a killed process left for the next start is no damage', async () => {
  await using copy = await makeTemporaryFolder();
  await cp(sound.path, copy.path, { recursive: true });
  sql(
    `INSERT INTO session VALUES ('dead', 'boot', 0); INSERT INTO blob_name VALUES ('half', 'writing', 'dead', 0)`,
  )(copy.path);
  await writeFile(join(copy.path, 'blobs/writing/half'), 'half');
  assert.deepEqual((await inspectDataFolder(copy.path)).damages, []);
});

test('a folder that cannot be checked is refused: none, held, older, newer', async () => {
  await using folder = await makeTemporaryFolder();
  await assert.rejects(inspectDataFolder(folder.path), { code: 'data_folder_missing' });
  assert.deepEqual(await readdir(folder.path), []);
  await using whole = await startWholeBora({ dataFolder: folder.path });
  await assert.rejects(inspectDataFolder(folder.path), { code: 'data_folder_in_use' });
  await whole[Symbol.asyncDispose]();
  for (const [version, code] of [
    [1, 'data_folder_older'],
    [999, 'data_folder_newer'],
  ] as const) {
    sql(`PRAGMA user_version = ${version}`)(folder.path);
    await assert.rejects(inspectDataFolder(folder.path), { code });
  }
});

function line(text: string): string {
  return `${JSON.stringify({ custom_id: text.slice(0, 4), body: { messages: [{ role: 'user', content: text }] } })}\n`;
}

async function pathOf(folder: string, object: string): Promise<string> {
  const objects = join(folder, 'blobs/objects');
  const entries = await readdir(objects, { recursive: true });
  return join(objects, entries.find((entry) => entry.endsWith(object)) ?? '');
}

function sql(text: string): (folder: string) => void {
  return (folder) => {
    using db = opened(folder);
    db.run(text);
  };
}

function opened(folder: string): Disposable & { run(text: string): void; get<Value>(text: string): Value } {
  const db = new SqliteDatabase(join(folder, 'bora.sqlite'));
  return {
    run: (text) => db.exec(text),
    get: <Value>(text: string) => db.prepare(text).pluck().get() as Value,
    [Symbol.dispose]: () => db.close(),
  };
}
