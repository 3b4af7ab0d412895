import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import { createApiKey } from '../src/access/create-key.ts';
import { readConfig } from '../src/config/config.ts';
import { openAdministration } from '../src/data-folder.ts';
import { BreakableUpstream, hold } from './breakable-upstream.ts';
import { answerWell, questionLine, questionOf, startPacedBora } from './paced-bora.ts';

const TIMEOUT = { timeout: 20_000 };
const CHAT = '/v1/chat/completions';

interface Refusal {
  readonly statusCode: number;
  readonly body: string;
}

/** That the official SDK is refused with this status and code, and a sentence in `detail`. */
async function assertRefused(
  call: Promise<unknown>,
  status: number,
  code: string,
  detail: RegExp,
): Promise<void> {
  await assert.rejects(call, ({ statusCode, body }: Refusal) => {
    const said = JSON.parse(body) as { detail: string; bora: { code: string } };
    assert.deepEqual([statusCode, said.bora.code], [status, code], body);
    assert.match(said.detail, detail);
    return true;
  });
}

function requests(questions: string): { customId: string; body: object }[] {
  return questions.split('').map((content) => ({
    customId: content,
    body: { messages: [{ role: 'user', content }] },
  }));
}

test('there are no limits on pending requests, lines and bytes unless they are set', () => {
  const { maxPendingRequests, maxFileLines, maxFileBytes } = readConfig({});
  assert.deepEqual([maxPendingRequests, maxFileLines, maxFileBytes], [null, null, null]);
});

test(
  'a job that would pass the limit of pending requests fits once others are done, cancelled or deleted',
  TIMEOUT,
  async () => {
    await using upstream = await BreakableUpstream.open();
    upstream.reply = (request) => (questionOf(request) === 'z' ? answerWell : hold)(request);
    await using bora = await startPacedBora({
      upstreams: [{ url: upstream.url }],
      env: { BORA_MAX_PENDING_REQUESTS: '4' },
    });
    const sdk = new Mistral({ apiKey: 'any', serverURL: bora.url });
    const create = (questions: string): Promise<{ id: string }> =>
      sdk.batch.jobs.create({ requests: requests(questions), endpoint: CHAT, model: 'm' });

    await assertRefused(create('12345'), 429, 'too_many_pending', /has 0 unfinished requests.*more than 4\./);
    const first = await create('abz');
    await bora.until(first.id, (job) => job.completed_requests === 1);
    const second = await create('cd');
    await bora.received(upstream, 5);
    await assertRefused(
      create('e'),
      429,
      'too_many_pending',
      /has 4 unfinished requests.*Wait for jobs to finish, or cancel/,
    );
    assert.equal((await sdk.files.list()).total, 2, 'refused requests are not kept');

    await sdk.batch.jobs.cancel({ jobId: second.id });
    await bora.ended(second.id);
    const third = await create('zz');
    await bora.ended(third.id);
    await sdk.batch.jobs.delete({ jobId: first.id });
    await bora.eventually(() =>
      create('zzzz').then(
        () => true,
        () => false,
      ),
    );
  },
);

test('the pending requests of one workspace are not counted against another', TIMEOUT, async () => {
  await using upstream = await BreakableUpstream.open();
  upstream.reply = hold;
  await using bora = await startPacedBora({
    upstreams: [{ url: upstream.url }],
    env: { BORA_MAX_PENDING_REQUESTS: '2' },
  });
  await using access = await openAdministration(bora.dataFolder);
  const [one, other] = await Promise.all(
    ['one', 'other'].map(async (workspace) => createApiKey(access, { workspace, name: 'test' })),
  );
  await bora.clock.advance(1_000);
  const create = (apiKey: string): Promise<unknown> =>
    new Mistral({ apiKey, serverURL: bora.url }).batch.jobs.create({
      requests: requests('ab'),
      endpoint: CHAT,
      model: 'm',
    });
  await create(one.key);
  await assertRefused(create(one.key), 429, 'too_many_pending', /has 2 unfinished/);
  await create(other.key);
});

test(
  'a file over the limit of lines or bytes is refused and not kept; one at the limit is taken',
  TIMEOUT,
  async () => {
    const line = questionLine('x'.repeat(500));
    await using bora = await startPacedBora({
      upstreams: [],
      env: {
        BORA_MAX_FILE_LINES: '3',
        BORA_MAX_FILE_BYTES: String(3 * line.length),
        BORA_MAX_LINE_BYTES: String(line.length),
      },
    });
    const sdk = new Mistral({ apiKey: 'any', serverURL: bora.url });
    const upload = (text: string, purpose: 'batch' | 'ocr' = 'batch'): Promise<{ id: string }> =>
      sdk.files.upload({ purpose, file: { fileName: 'in.jsonl', content: new Blob([text]) } });

    await assertRefused(upload('{"body":{}}\n'.repeat(4)), 413, 'file_too_large', /has 4 lines, more than 3/);
    await assertRefused(upload(`${line.repeat(3)} `), 413, 'file_too_large', /larger than \d+ bytes/);
    await assertRefused(upload(`${line.repeat(3)} `, 'ocr'), 413, 'file_too_large', /larger than \d+ bytes/);
    await assertRefused(
      upload(questionLine('x'.repeat(510))),
      422,
      'bad_batch_file',
      /^Invalid file format\.$/,
    );
    assert.equal((await sdk.files.list()).total, 0);

    const { id } = await upload(line.repeat(3));
    await upload('{"body":{}}\n'.repeat(4), 'ocr');
    const job = await sdk.batch.jobs.create({ inputFiles: [id, id], endpoint: CHAT, model: 'm' });
    assert.equal(job.totalRequests, 6, 'the limit is of a file, not of a job');
  },
);

test('a create call over its limits is refused and leaves nothing', TIMEOUT, async () => {
  await using bora = await startPacedBora({
    upstreams: [],
    env: { BORA_MAX_CREATE_BYTES: '3000', BORA_MAX_LINE_BYTES: '1024' },
  });
  const sdk = new Mistral({ apiKey: 'any', serverURL: bora.url });
  const create = (questions: readonly string[]): Promise<unknown> =>
    sdk.batch.jobs.create({
      requests: questions.map((content) => ({ body: { messages: [{ role: 'user', content }] } })),
      endpoint: CHAT,
      model: 'm',
    });
  await assertRefused(create(['a', 'x'.repeat(1_024)]), 413, 'body_too_large', /^Request 1: /);
  await assertRefused(
    create(Array.from({ length: 60 }, () => 'a')),
    413,
    'body_too_large',
    /larger than 3000 bytes/,
  );
  assert.equal((await sdk.files.list()).total, 0);
  assert.equal((await sdk.batch.jobs.list()).total, 0);
  await create(['x'.repeat(800), 'x'.repeat(800)]);
});
