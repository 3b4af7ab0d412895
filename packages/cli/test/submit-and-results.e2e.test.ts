import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { bora } from './bora-process.ts';
import { JOB_ID, scriptedServer } from './scripted-server.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bora-cli-'));
  await writeFile(join(folder, 'in.jsonl'), '{"body":{}}\n');
});
after(() => rm(folder, { recursive: true }));

const running: Partial<BatchJob> = { status: 'RUNNING', completed_requests: 1 };
const ended: Partial<BatchJob> = {
  status: 'SUCCESS',
  completed_requests: 3,
  succeeded_requests: 3,
  output_file: 'output',
  completed_at: 1_700_000_007,
};
const oneFailed: Partial<BatchJob> = {
  ...ended,
  succeeded_requests: 2,
  failed_requests: 1,
  error_file: 'error',
  errors: [{ message: 'HTTP Error, status code: 400', count: 1 }],
};

function line(ordinal: number, rest = ''): string {
  return `{"id":"batch-11111111-22222222-${ordinal}","n":1.0${rest}}`;
}

const SUBMIT = ['submit', 'in.jsonl', '--endpoint', '/v1/chat/completions', '--model', 'm'];

test('submit creates a job with what it was told and says what to do next', async () => {
  await using server = await scriptedServer([running]);
  const run = await bora([...SUBMIT, '--metadata', 'a=b=c', '--metadata', 'd=', '--url', server.url], {
    cwd: folder,
  });
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(server.created, [
    {
      input_files: ['input'],
      endpoint: '/v1/chat/completions',
      model: 'm',
      metadata: { a: 'b=c', d: '' },
      timeout_hours: 24,
    },
  ]);
  assert.equal(run.stdout, `${JOB_ID}\n`);
  assert.match(run.stderr, /bora results/);
});

test('submit --wait shows plain progress without a terminal and ends with 3 if a line failed', async () => {
  await using server = await scriptedServer([running, oneFailed]);
  const run = await bora([...SUBMIT, '--wait'], { cwd: folder, env: { BORA_URL: server.url } });
  assert.equal(run.code, 3, run.stderr);
  assert.match(run.stderr, /33 % {2}1 \/ 3/);
  assert.match(run.stdout, /3 requests in 7 s: 2 succeeded, 1 failed/);
  assert.match(run.stdout, /1 × HTTP Error, status code: 400/);
});

test('--json prints one object and nothing else', async () => {
  await using server = await scriptedServer([running, ended]);
  const run = await bora([...SUBMIT, '--wait', '--json', '--url', server.url], { cwd: folder });
  assert.equal(run.code, 0);
  assert.equal(run.stderr, '');
  const summary = JSON.parse(run.stdout) as Record<string, unknown>;
  assert.equal(summary['job_id'], JOB_ID);
  assert.equal(summary['succeeded'], 3);
});

test('results writes the lines of both files in input order, byte for byte', async () => {
  const files = { output: `${line(0)}\n${line(2, ',  "x": 1e2')}\n`, error: `${line(1)}\n` };
  await using server = await scriptedServer([oneFailed], files);
  const expected = `${line(0)}\n${line(1)}\n${line(2, ',  "x": 1e2')}\n`;
  const printed = await bora(['results', JOB_ID, '--url', server.url]);
  assert.equal(printed.stdout, expected);
  assert.equal(printed.code, 3);
  const written = await bora(['results', JOB_ID, '--url', server.url, '-o', 'out.jsonl'], { cwd: folder });
  assert.equal(written.code, 3, written.stderr);
  assert.equal(await readFile(join(folder, 'out.jsonl'), 'utf8'), expected);
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.includes('unfinished')),
    [],
  );
});

test('a job that ended incomplete ends with 4', async () => {
  await using server = await scriptedServer([{ ...ended, status: 'CANCELLED', succeeded_requests: 1 }]);
  const run = await bora(['results', JOB_ID, '--url', server.url, '--json']);
  assert.equal(run.code, 4);
});

test('results of a job that still runs are refused with what to do', async () => {
  await using server = await scriptedServer([running]);
  const run = await bora(['results', JOB_ID, '--url', server.url]);
  assert.equal(run.code, 2);
  assert.match(run.stderr, /no results yet[\s\S]*RUNNING, 1 of 3[\s\S]*--wait/);
});

test('results --partial writes what is there of a job that still runs, and says how far it is', async () => {
  const files = { output: `${line(2)}\n`, error: `${line(1)}\n` };
  const far = { ...running, completed_requests: 2, succeeded_requests: 1, failed_requests: 1 };
  await using server = await scriptedServer([far], files);
  const run = await bora(['results', JOB_ID, '--partial', '--url', server.url]);
  assert.equal(run.code, 0, run.stderr);
  assert.equal(run.stdout, `${line(1)}\n${line(2)}\n`);
  assert.equal(run.stderr, 'RUNNING, 2 of 3 requests done: 1 succeeded, 1 failed\n');
});

test('errors are JSON on stdout with --json', async () => {
  await using server = await scriptedServer([running]);
  const run = await bora(['results', 'nobody', '--url', server.url, '--json']);
  assert.equal(run.code, 2);
  const { error } = JSON.parse(run.stdout) as { error: { message: string } };
  assert.match(error.message, /No batch job matches/);
});

test('a file that is not there, a server that is not there and a bad flag have codes of their own', async () => {
  const nowhere = ['--url', 'http://127.0.0.1:9'];
  assert.equal((await bora(['submit', 'no.jsonl', ...SUBMIT.slice(2), ...nowhere])).code, 2);
  assert.equal((await bora([...SUBMIT, ...nowhere], { cwd: folder })).code, 5);
  assert.equal((await bora([...SUBMIT, '--timeout-hours', '169'], { cwd: folder })).code, 2);
});
