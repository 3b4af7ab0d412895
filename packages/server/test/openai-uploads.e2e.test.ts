import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { openAiFile } from '@bora/protocol/openai-files';
import { openAiUpload, openAiUploadPart } from '@bora/protocol/openai-uploads';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora, type WholeBora } from '@bora/testkit/whole-bora';
import { Mistral } from '@mistralai/mistralai';
import { Mistral as Mistral13 } from 'mistralai-1.3';
import { Mistral as Mistral115 } from 'mistralai-1.15';
import OpenAI, { toFile } from 'openai';
import OpenAI6 from 'openai-6';
import { chatLine, ended, linesOf, openAiClient } from './openai-client.ts';

const OPTIONS = { timeout: 60_000 };
const CHAT = '/v1/chat/completions';
/** Some 300 KB, so that parts of it are objects, and one is small enough to lie in the database. */
const CONTENT = Buffer.from(
  Array.from({ length: 60 }, (_, at) => `${JSON.stringify(chatLine(`c${at}`, 'x'.repeat(5_000)))}\n`).join(
    '',
  ),
);
/** Where it is cut: in the middle of lines. */
const CUTS = [0, 100_001, 100_100, 222_222, CONTENT.length];
const MD5 = createHash('md5').update(CONTENT).digest('hex');

const opened = new AsyncDisposableStack();
let whole: WholeBora;
let client: OpenAI;
before(async () => {
  const upstream = opened.use(await startScriptedUpstream(['small'], () => chatAnswer('small', 'yes')));
  whole = opened.use(await startWholeBora({ upstreams: [upstream.url] }));
  client = openAiClient(whole);
});
after(() => opened.disposeAsync());

for (const [version, Client] of [
  ['7', OpenAI],
  ['6', OpenAI6 as unknown as typeof OpenAI],
] as const) {
  test(
    `a file in parts, sent at once and out of order, is a batch's input, with SDK ${version}`,
    OPTIONS,
    async () => {
      const sdk = openAiClient(whole, Client);
      const upload = await begin(sdk, { expires_after: { anchor: 'created_at', seconds: 7200 } });
      openAiUpload.parse(upload);
      assert.deepEqual(
        [upload.status, upload.bytes, upload.filename, upload.purpose, upload.file],
        ['pending', CONTENT.length, 'in.jsonl', 'batch', null],
      );
      assert.equal(upload.expires_at - upload.created_at, 3600);

      const parts = await Promise.all(
        [3, 0, 2, 1].map(async (at) => ({ at, part: await sendPart(upload.id, at, sdk) })),
      );
      for (const { part } of parts) openAiUploadPart.parse(part);
      await sendPart(upload.id, 0, sdk);
      const partIds = parts.toSorted((one, other) => one.at - other.at).map(({ part }) => part.id);
      const completed = await sdk.uploads.complete(upload.id, { part_ids: partIds, md5: MD5.toUpperCase() });
      openAiUpload.parse(completed);
      assert.equal(completed.status, 'completed');
      const file = openAiFile.parse(completed.file);
      assert.deepEqual([file.bytes, file.num_lines, file.signature], [CONTENT.length, 60, MD5]);
      assert.equal(file.expires_at! - file.created_at, 7200);
      assert.deepEqual(await sdk.uploads.complete(upload.id, { part_ids: partIds }), completed);
      assert.ok(CONTENT.equals(Buffer.from(await (await sdk.files.content(file.id)).arrayBuffer())));

      const batch = await sdk.batches.create({
        input_file_id: file.id,
        endpoint: CHAT,
        completion_window: '24h',
      });
      const { output_file_id: output, request_counts: counts } = await ended(sdk, batch.id);
      assert.deepEqual(counts, { total: 60, completed: 60, failed: 0 });
      assert.deepEqual(
        (await linesOf(sdk, output!)).map(({ custom_id }) => custom_id),
        Array.from({ length: 60 }, (_, at) => `c${at}`),
      );
    },
  );
}

test('the file of an upload is one to every major of the Mistral SDK', OPTIONS, async () => {
  const upload = await begin();
  const ids = await sendAll(upload.id);
  const { file } = await client.uploads.complete(upload.id, { part_ids: ids });
  const key = { serverURL: whole.url, apiKey: 'unused' };
  for (const mistral of [new Mistral(key), new Mistral115(key), new Mistral13(key)] as Mistral[]) {
    const { data } = await mistral.files.list();
    assert.ok(data.some(({ id }) => id === file!.id));
    assert.equal((await mistral.files.retrieve({ fileId: file!.id })).numLines, 60);
  }
});

test('completing at once from two sides makes one file', OPTIONS, async () => {
  const upload = await begin();
  const part_ids = await sendAll(upload.id);
  const [one, other] = await Promise.all([
    client.uploads.complete(upload.id, { part_ids }),
    client.uploads.complete(upload.id, { part_ids }),
  ]);
  assert.deepEqual(one, other);
});

test(
  'a completed upload takes no parts, no cancel and no other order, and SDKs do not try again',
  OPTIONS,
  async () => {
    const upload = await begin();
    const part_ids = await sendAll(upload.id);
    await client.uploads.complete(upload.id, { part_ids });
    const retrying = new OpenAI({ baseURL: `${whole.url}/v1`, apiKey: 'unused', maxRetries: 2 });
    for (const call of [
      () => sendPart(upload.id, 0, retrying),
      () => retrying.uploads.cancel(upload.id),
      () => retrying.uploads.complete(upload.id, { part_ids: part_ids.toReversed() }),
    ]) {
      await assert.rejects(call(), (error: InstanceType<typeof OpenAI.APIError>) => {
        assert.equal(error.status, 409);
        assert.equal(error.headers?.get('x-should-retry'), 'false');
        return true;
      });
    }
  },
);

test('a cancelled upload stays cancelled, and nothing can be made of it', OPTIONS, async () => {
  const upload = await begin();
  const part_ids = await sendAll(upload.id);
  assert.equal((await client.uploads.cancel(upload.id)).status, 'cancelled');
  assert.equal((await client.uploads.cancel(upload.id)).status, 'cancelled');
  await assert.rejects(client.uploads.complete(upload.id, { part_ids }), { status: 409 });
  await assert.rejects(sendPart(upload.id, 0), { status: 409 });
});

test('what is wrong with the parts is said, and the upload stays open', OPTIONS, async () => {
  const upload = await begin();
  const part_ids = await sendAll(upload.id);
  const [first, ...rest] = part_ids;
  const wrong = (params: OpenAI.UploadCompleteParams): Promise<unknown> =>
    client.uploads.complete(upload.id, params);
  const refusal = { status: 400, param: 'part_ids', code: 'invalid_value' };
  await assert.rejects(wrong({ part_ids: rest }), {
    ...refusal,
    message: `400 The parts have ${CONTENT.length - CUTS[1]} bytes, but the upload is of ${CONTENT.length}.`,
  });
  await assert.rejects(wrong({ part_ids: ['part_x', ...rest] }), {
    ...refusal,
    message: '400 The upload has no part "part_x".',
  });
  await assert.rejects(wrong({ part_ids: [first, first] }), {
    ...refusal,
    message: `400 Invalid 'part_ids': "${first}" is in it twice.`,
  });
  await assert.rejects(wrong({ part_ids, md5: '0'.repeat(32) }), {
    ...refusal,
    message: `400 The parts have the MD5 ${MD5} in this order, not ${'0'.repeat(32)}.`,
  });
  await assert.rejects(wrong({ part_ids, md5: 'short' }), { ...refusal, param: 'md5' });
  assert.equal((await client.uploads.complete(upload.id, { part_ids, md5: MD5 })).status, 'completed');
});

test('an upload of no bytes is an empty file', OPTIONS, async () => {
  const upload = await begin(client, { bytes: 0, filename: 'a.txt', purpose: 'user_data' });
  const { file } = await client.uploads.complete(upload.id, { part_ids: [] });
  assert.deepEqual([file?.bytes, await (await client.files.content(file!.id)).text()], [0, '']);
});

function begin(sdk = client, given: Partial<OpenAI.UploadCreateParams> = {}): Promise<OpenAI.Upload> {
  return sdk.uploads.create({
    filename: 'in.jsonl',
    purpose: 'batch',
    bytes: CONTENT.length,
    mime_type: 'application/jsonl',
    ...given,
  });
}

async function sendPart(uploadId: string, at: number, sdk = client): Promise<OpenAI.Uploads.UploadPart> {
  const data = await toFile(CONTENT.subarray(CUTS[at], CUTS[at + 1]), 'part');
  return sdk.uploads.parts.create(uploadId, { data });
}

async function sendAll(uploadId: string): Promise<string[]> {
  const parts = await Promise.all([0, 1, 2, 3].map((at) => sendPart(uploadId, at)));
  return parts.map(({ id }) => id);
}
