import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { batchJob } from '@bora/protocol/mistral-jobs';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { mistralFile, retrievedFile } from '@bora/protocol/mistral-files';
import type { MistralFile } from '@bora/protocol/mistral-files';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';
import { bora, startBora } from './bora-process.ts';
import type { Finished } from './bora-process.ts';
import { chatUpstream } from './chat-upstream.ts';
import type { ChatUpstream } from './chat-upstream.ts';

const NOBODY = '00000000-0000-4000-8000-000000000000';
const MOMENT = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`;

let folder: string;
let upstream: ChatUpstream;
let whole: WholeBora;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bora-jobs-'));
  upstream = await chatUpstream(2);
  whole = await startWholeBora({ upstreams: [upstream.url] });
  const line = (content: string): string =>
    JSON.stringify({ body: { messages: [{ role: 'user', content }] } });
  await writeFile(join(folder, 'in.jsonl'), ['a', 'b', 'c'].map(line).join('\n'));
});
after(async () => {
  await whole[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function run(...args: string[]): Promise<Finished> {
  return bora(args, { cwd: folder, env: { BORA_URL: whole.url } });
}

async function json<T>(...args: string[]): Promise<T> {
  const { stdout, stderr, code } = await run(...args, '--json');
  assert.deepEqual([code, stderr], [0, ''], stdout);
  return JSON.parse(stdout) as T;
}

test('a file goes up, is listed, shown, comes down the same, is deleted', async () => {
  const up = await run('files', 'upload', 'in.jsonl', '--expiry-hours', '2');
  const id = up.stdout.trim();
  assert.match(up.stderr, /Uploaded in\.jsonl as batch: \d+ B, 3 lines/);
  const shown = await json<MistralFile>('files', 'show', id);
  retrievedFile.parse(shown);
  assert.equal(shown.expires_at! - shown.created_at, 2 * 3600);
  const { files } = await json<{ files: MistralFile[] }>(
    'files',
    'ls',
    '--purpose',
    'batch',
    '--search',
    'in.',
  );
  mistralFile.parse(files[0]);
  const { stdout } = await run('files', 'ls');
  assert.match(
    stdout,
    new RegExp(`^${id} +in\\.jsonl +batch +batch_request +${shown.bytes} +3 +${MOMENT}$`, 'm'),
  );

  const content = await readFile(join(folder, 'in.jsonl'), 'utf8');
  assert.equal((await run('files', 'download', id)).stdout, content);
  await run('files', 'download', id, '-o', 'again.jsonl');
  assert.equal(await readFile(join(folder, 'again.jsonl'), 'utf8'), content);
  assert.equal((await run('files', 'download', id, '--json')).code, 2);

  assert.equal((await run('files', 'delete', id)).stdout, `${id}  deleted\n`);
  const gone = await run('files', 'show', id);
  assert.equal(gone.code, 2);
  assert.match(gone.stderr, /bora files ls/);
});

test('a job is listed, shown, watched, left by Ctrl-C, cancelled and deleted', async () => {
  const submit = ['submit', 'in.jsonl', '--endpoint', '/v1/chat/completions', '--model', 'm'];
  const id = (await run(...submit, '--metadata', 'crop=peas')).stdout.trim();
  await upstream.cameIn(3);

  const { jobs, total } = await json<{ jobs: BatchJob[]; total: number }>(
    'ls',
    '--status',
    'active',
    '--metadata',
    'crop=peas',
  );
  batchJob.parse(jobs[0]);
  assert.deepEqual([jobs.map((job) => job.id), total], [[id], 1]);
  assert.equal((await run('ls', '--status', 'ended')).stdout, 'No job matches.\n');

  const watching = startBora(['watch', id, '--url', whole.url]);
  await watching.stderrMatches(/ \/ 3/);
  watching.child.kill('SIGINT');
  assert.equal((await watching.finished).code, 130);

  assert.match((await run('cancel', id)).stdout, new RegExp(`^${id} {2}cancelling\n$`));
  upstream.release();
  const watched = await run('watch', id);
  const job = batchJob.parse(await json('show', id));
  assert.equal(watched.code, job.status === 'SUCCESS' ? 0 : 4, watched.stdout);

  const shown = (await run('show', id)).stdout;
  assert.match(shown, new RegExp(`^job +${id}$`, 'm'));
  assert.match(shown, /^metadata +crop=peas$/m);
  assert.match(shown, new RegExp(`^ended +${MOMENT}$`, 'm'));
  const listed = (await run('ls')).stdout;
  assert.match(listed, new RegExp(`^${id} +\\w+ +\\d/3 +0 +/v1/chat/completions +m +${MOMENT}$`, 'm'));

  assert.match((await run('cancel', id)).stdout, /cancelled|had ended: completed/);
  assert.equal((await run('delete', id)).stdout, `${id}  deleted\n`);
  const gone = await run('show', id);
  assert.equal(gone.code, 2);
  assert.match(gone.stderr, /bora ls/);
});

test('what cannot be is refused with what to do', async () => {
  const refusals: [string[], number, RegExp][] = [
    [['ls', '--status', 'asleep'], 2, /Known are QUEUED/],
    [['ls', '--limit', '0'], 2, /from 1 to 1000/],
    [['ls', '--url', 'here'], 2, /http:\/\/host:2672/],
    [['ls', '--url', 'http://127.0.0.1:9'], 5, /bora serve/],
    [['watch', NOBODY, '--api-key', 'x'], 2, /bora ls|API key|BORA_API_KEY/],
    [['files', 'upload', 'none.jsonl'], 2, /Cannot read none\.jsonl/],
    [['files', 'upload', '.', '--purpose', 'lunch'], 2, /fine-tune, batch/],
    [['cancel', NOBODY], 2, /bora ls/],
    [['guess'], 2, /unknown command/],
  ];
  await Promise.all(
    refusals.map(async ([args, code, says]) => {
      const ended = await run(...args);
      assert.equal(ended.code, code, `${args.join(' ')}: ${ended.stderr}`);
      assert.match(ended.stderr, says, args.join(' '));
    }),
  );
});
