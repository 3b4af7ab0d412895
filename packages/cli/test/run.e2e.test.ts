import assert from 'node:assert/strict';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { bora, startBora } from './bora-process.ts';
import { chatUpstream } from './chat-upstream.ts';

const COUNT = 40;
const RUN = ['run', 'in.jsonl', '-o', 'out.jsonl', '--endpoint', '/v1/chat/completions', '--model', 'm'];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bora-run-'));
  await writeRequests(Array.from({ length: COUNT }, (_, index) => `prompt ${index}`));
});
afterEach(() => rm(folder, { recursive: true }));

async function writeRequests(prompts: readonly string[]): Promise<void> {
  const lines = prompts.map((content, index) =>
    JSON.stringify({ custom_id: String(index), body: { messages: [{ role: 'user', content }] } }),
  );
  await writeFile(join(folder, 'in.jsonl'), `${lines.join('\n')}\n`);
}

async function resultIds(): Promise<unknown[]> {
  const text = await readFile(join(folder, 'out.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { custom_id: unknown }).custom_id);
}

const ALL_IDS = Array.from({ length: COUNT }, (_, index) => String(index));

test('a run writes every result in input order, and a second one says that it is finished', async () => {
  await using upstream = await chatUpstream();
  const options = { cwd: folder, env: { BORA_UPSTREAM: upstream.url } };
  const first = await bora([...RUN, '--json'], options);
  assert.equal(first.code, 0, first.stdout + first.stderr);
  assert.deepEqual(await resultIds(), ALL_IDS);
  const summary = JSON.parse(first.stdout) as Record<string, unknown>;
  assert.equal(summary['succeeded'], COUNT);
  assert.equal(summary['output_tokens'], 2 * COUNT);
  await assert.rejects(access(join(folder, 'out.jsonl.bora', 'data')), { code: 'ENOENT' });

  const second = await bora(RUN, options);
  assert.equal(second.code, 0);
  assert.match(second.stderr, /finished already/);
  assert.deepEqual(
    [...upstream.sent.values()].filter((times) => times !== 1),
    [],
  );
});

test('a run killed in the middle is continued by the same command, with the same job', async () => {
  await using upstream = await chatUpstream(COUNT / 2);
  const env = { BORA_UPSTREAM: upstream.url, BORA_UPSTREAM_MAX_IN_FLIGHT: '4' };
  const first = startBora(RUN, { cwd: folder, env });
  await Promise.all([upstream.cameIn(COUNT / 2 + 4), first.stderrMatches(/Running/)]);
  first.child.kill('SIGKILL');
  await first.finished;
  const { jobId } = JSON.parse(await readFile(join(folder, 'out.jsonl.bora', 'run.json'), 'utf8')) as {
    jobId: string;
  };

  upstream.release();
  const second = await bora([...RUN, '--json'], { cwd: folder, env });
  assert.equal(second.code, 0, second.stdout + second.stderr);
  assert.equal((JSON.parse(second.stdout) as { job_id: string }).job_id, jobId);
  assert.deepEqual(await resultIds(), ALL_IDS);
});

test('a run stopped by Ctrl-C says how to go on, ends with 130 and is continued', async () => {
  await using upstream = await chatUpstream(1);
  const env = {
    BORA_UPSTREAM: upstream.url,
    BORA_UPSTREAM_MAX_IN_FLIGHT: '4',
    BORA_STOP_GRACE_SECONDS: '0',
  };
  const first = startBora(RUN, { cwd: folder, env });
  await Promise.all([upstream.cameIn(5), first.stderrMatches(/Running/)]);
  first.child.kill('SIGINT');
  const stopped = await first.finished;
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, /same command continues/);

  upstream.release();
  const second = await bora(RUN, { cwd: folder, env });
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stderr, /Continuing/);
  assert.deepEqual(await resultIds(), ALL_IDS);
});

test('a run that found its job before it wrote the id down does not make a second one', async () => {
  await using upstream = await chatUpstream(1);
  const env = {
    BORA_UPSTREAM: upstream.url,
    BORA_UPSTREAM_MAX_IN_FLIGHT: '4',
    BORA_STOP_GRACE_SECONDS: '0',
  };
  const first = startBora(RUN, { cwd: folder, env });
  await Promise.all([upstream.cameIn(5), first.stderrMatches(/Running/)]);
  first.child.kill('SIGKILL');
  await first.finished;
  const path = join(folder, 'out.jsonl.bora', 'run.json');
  const state = JSON.parse(await readFile(path, 'utf8')) as { jobId: string };
  await writeFile(path, JSON.stringify({ ...state, jobId: null }));

  upstream.release();
  const second = await bora([...RUN, '--json'], { cwd: folder, env });
  assert.equal(second.code, 0, second.stdout);
  assert.equal((JSON.parse(second.stdout) as { job_id: string }).job_id, state.jobId);
});

test('another input, endpoint or model is refused, and said', async () => {
  await using upstream = await chatUpstream();
  const options = { cwd: folder, env: { BORA_UPSTREAM: upstream.url } };
  assert.equal((await bora(RUN, options)).code, 0);
  await writeRequests(['something else']);
  const changed = await bora([...RUN.slice(0, -1), 'other'], options);
  assert.equal(changed.code, 6);
  assert.match(changed.stderr, /the input had \d+ bytes and has \d+; --model was m and is other/);
});

test('a file that the command did not make is never overwritten', async () => {
  await writeFile(join(folder, 'out.jsonl'), 'precious');
  const run = await bora(RUN, { cwd: folder, env: { BORA_UPSTREAM: 'http://127.0.0.1:9' } });
  assert.equal(run.code, 6);
  assert.equal(await readFile(join(folder, 'out.jsonl'), 'utf8'), 'precious');
});

test('failed lines are in the output too, and end the command with 3', async () => {
  await using upstream = await chatUpstream();
  await writeRequests(['good', 'bad', 'good too']);
  const run = await bora(RUN, { cwd: folder, env: { BORA_UPSTREAM: upstream.url } });
  assert.equal(run.code, 3, run.stderr);
  assert.match(run.stdout, /2 succeeded, 1 failed/);
  assert.deepEqual(await resultIds(), ['0', '1', '2']);
});

test('bad input is refused before anything is sent, with its line', async () => {
  await using upstream = await chatUpstream();
  await writeFile(
    join(folder, 'in.jsonl'),
    '{"body":{"messages":[{"role":"user","content":"x"}]}}\nnot json\n',
  );
  const run = await bora(RUN, { cwd: folder, env: { BORA_UPSTREAM: upstream.url } });
  assert.equal(run.code, 2, run.stderr);
  assert.match(run.stderr, /Line 2/);
  assert.equal(upstream.sent.size, 0);
});

test('without an inference server it says how to name one', async () => {
  const run = await bora(RUN, { cwd: folder });
  assert.equal(run.code, 2);
  assert.match(run.stderr, /--upstream/);
});
