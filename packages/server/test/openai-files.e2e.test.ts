import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { openAiFile, openAiFileList } from '@bora/protocol/openai-files';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora, type WholeBora } from '@bora/testkit/whole-bora';
import { Mistral } from '@mistralai/mistralai';
import { Mistral as Mistral13 } from 'mistralai-1.3';
import { Mistral as Mistral115 } from 'mistralai-1.15';
import OpenAI, { toFile } from 'openai';
import OpenAI6 from 'openai-6';
import { chatLine, ended, openAiClient, uploadLines } from './openai-client.ts';

const LINES = `${JSON.stringify(chatLine('a', 'one'))}\n`;
const OPTIONS = { timeout: 60_000 };

const opened = new AsyncDisposableStack();
let whole: WholeBora;
before(async () => {
  const upstream = opened.use(await startScriptedUpstream(['small'], () => chatAnswer('small', 'yes')));
  whole = opened.use(await startWholeBora({ upstreams: [upstream.url] }));
});
after(() => opened.disposeAsync());

const SDKS = [
  ['7', OpenAI],
  ['6', OpenAI6 as unknown as typeof OpenAI],
] as const;

for (const [version, Client] of SDKS) {
  test(`OpenAI's SDK ${version} creates, retrieves, lists, reads and deletes files`, OPTIONS, async () => {
    await using folder = await makeTemporaryFolder();
    const client = openAiClient(whole, Client);
    const path = join(folder.path, 'in.jsonl');
    await writeFile(path, LINES);
    const streamed = async function* (): AsyncGenerator<Uint8Array> {
      for (const byte of Buffer.from(LINES)) yield Uint8Array.of(byte);
    };

    const purpose = 'batch';
    const sources = [
      () => new File([LINES], 'in.jsonl'),
      () => toFile(new Blob([LINES]), 'in.jsonl'),
      () => toFile(streamed(), 'in.jsonl'),
      () => createReadStream(path),
    ];
    const ids: string[] = [];
    for (const source of sources) {
      for (const isPurposeFirst of [true, false]) {
        const file = await source();
        const created = await client.files.create(isPurposeFirst ? { purpose, file } : { file, purpose });
        openAiFile.parse(created);
        assert.deepEqual(
          [created.bytes, created.filename, created.purpose, created.status, created.expires_at],
          [LINES.length, 'in.jsonl', 'batch', 'processed', null],
        );
        ids.unshift(created.id);
      }
    }

    const listed: string[] = [];
    for await (const file of client.files.list({ limit: 3, purpose })) listed.push(file.id);
    assert.deepEqual(listed.slice(0, ids.length).toSorted(), ids.toSorted());
    assert.equal((await client.files.list()).has_more, false);

    const retrieved = await client.files.retrieve(ids[0]);
    assert.equal(retrieved.id, ids[0]);
    assert.equal((await client.files.waitForProcessing(ids[0])).status, 'processed');
    assert.equal(await (await client.files.content(ids[0])).text(), LINES);
    assert.deepEqual(await client.files.delete(ids[0]), { id: ids[0], object: 'file', deleted: true });
    await assert.rejects(client.files.retrieve(ids[0]), { status: 404, param: 'id', code: null });
    for (const id of ids.slice(1)) await client.files.delete(id);
  });
}

test('a file expires when its uploader says', async () => {
  const client = openAiClient(whole);
  const file = await client.files.create({
    file: await toFile(Buffer.from('anything'), 'notes.txt'),
    purpose: 'user_data',
    expires_after: { anchor: 'created_at', seconds: 3600 },
  });
  assert.deepEqual([file.purpose, file.expires_at! - file.created_at], ['user_data', 3600]);
});

const hasCurl = spawnSync('curl', ['--version']).error === undefined;

test(
  "curl's form, behind Expect: 100-continue, is an upload of OpenAI's by its expires_after alone",
  {
    skip: hasCurl ? false : 'curl is not installed',
  },
  async () => {
    await using folder = await makeTemporaryFolder();
    const path = join(folder.path, 'in.jsonl');
    await writeFile(path, `${JSON.stringify(chatLine('a', 'x'.repeat(100_000)))}\nno request\n`);
    const fields = [
      `file=@${path}`,
      'purpose=batch',
      'expires_after[anchor]=created_at',
      'expires_after[seconds]=7200',
    ];
    const form = fields.flatMap((field) => ['-F', field]);
    const { stdout } = await promisify(execFile)('curl', [
      '-s',
      '-H',
      'Expect: 100-continue',
      ...form,
      `${whole.url}/v1/files`,
    ]);
    const file = openAiFile.parse(JSON.parse(stdout));
    assert.equal(file.expires_at! - file.created_at, 7200);
  },
);

describe('a page', () => {
  test('begins behind a file in either order, and says what clients of both dialects read', async () => {
    const client = openAiClient(whole);
    for (let count = 0; count < 5; count++) await uploadLines(client, [LINES.trim()]);
    const down = await idsOf(client, { limit: 2, order: 'desc' });
    const up = await idsOf(client, { limit: 3, order: 'asc' });
    assert.deepEqual(up, down.toReversed());

    const { first_id: first, last_id: last, ...page } = await pageOf(`limit=2&after=${down[0]}`);
    assert.deepEqual([first, last, page.data.length, page.has_more], [down[1], down[2], 2, true]);
    assert.deepEqual(await pageOf(`limit=2&after=${down.at(-1)}`), {
      object: 'list',
      data: [],
      first_id: null,
      last_id: null,
      has_more: false,
      total: null,
    });
    const numbered = await pageOf(`page=0&page_size=2`);
    assert.deepEqual(
      [numbered.first_id, numbered.last_id, numbered.has_more, numbered.total],
      [down[0], down[1], true, down.length],
    );
    assert.equal((await pageOf(`page=0&page_size=2`, { 'openai-organization': 'x' })).total, down.length);
  });

  test('goes on while each file that is listed is deleted', async () => {
    const client = openAiClient(whole);
    for (let count = 0; count < 5; count++) {
      await client.files.create({ file: await toFile(Buffer.from('x'), 'a.txt'), purpose: 'assistants' });
    }
    let deleted = 0;
    for await (const { id } of client.files.list({ limit: 2, purpose: 'assistants' })) {
      await client.files.delete(id);
      deleted += 1;
    }
    assert.equal(deleted, 5);
    assert.deepEqual(await idsOf(client, { purpose: 'assistants' }), []);
  });

  test('goes on behind a file that was deleted after the client saw it', async () => {
    const client = openAiClient(whole);
    const [first, second] = await idsOf(client, { limit: 100 });
    await client.files.delete(first);
    assert.equal((await pageOf(`limit=1&after=${first}`)).data[0].id, second);
  });
});

test("result files are batch_output to OpenAI's clients and batch to Mistral's, over all three majors", async () => {
  const client = openAiClient(whole);
  const input = await uploadLines(client, [chatLine('a', 'one')]);
  const image = await client.files.create({
    file: await toFile(Buffer.from('x'), 'a.png'),
    purpose: 'vision',
  });
  const created = await client.batches.create({
    input_file_id: input.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  const { output_file_id: output } = await ended(client, created.id);

  assert.equal((await client.files.retrieve(output!)).purpose, 'batch_output');
  const purposes = async (purpose: string): Promise<Set<string>> =>
    new Set((await client.files.list({ purpose })).data.map((file) => file.purpose));
  assert.deepEqual(await purposes('batch_output'), new Set(['batch_output']));
  assert.deepEqual(await purposes('batch'), new Set(['batch']));
  assert.deepEqual(await purposes('nothing'), new Set());
  assert.ok(!(await idsOf(client, { purpose: 'batch' })).includes(output!));

  const key = { serverURL: whole.url, apiKey: 'unused' };
  const clients = [new Mistral(key), new Mistral115(key), new Mistral13(key)] as Mistral[];
  for (const mistral of clients) {
    const { data } = await mistral.files.list({ pageSize: 1000 });
    const found = (id: string): string | undefined => data.find((file) => file.id === id)?.purpose;
    assert.deepEqual([found(output!), found(input.id), found(image.id)], ['batch', 'batch', 'vision']);
    assert.equal((await mistral.files.retrieve({ fileId: image.id })).purpose, 'vision');
    const bytes = await new Response(await mistral.files.download({ fileId: input.id })).text();
    assert.equal(bytes, LINES);
  }
});

async function idsOf(client: OpenAI, query: OpenAI.FileListParams): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of client.files.list(query)) ids.push(id);
  return ids;
}

async function pageOf(query: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${whole.url}/v1/files?${query}`, { headers });
  return openAiFileList.parse(await response.json());
}
