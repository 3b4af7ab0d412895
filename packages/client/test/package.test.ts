import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { buildPackage } from '../build/build-package.ts';
import { sampleJob } from './sample-job.ts';
import { answerJson, tinyServer } from './tiny-server.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../../..');
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc');

/** Uses each part; the file is compiled as TypeScript and then run as JavaScript. */
const PROGRAM = `
import { BoraClient } from '@bora/client';
import { BoraError } from '@bora/client/bora-error';
import type { BatchJob, NewJob } from '@bora/client/job-types';
import { isComplete } from '@bora/client/wait';

const client = new BoraClient({ baseUrl: '#URL#', maxRetries: 0 });
const file = await client.files.upload(new Blob(['{"body":{}}']), { filename: 'in.jsonl', purpose: 'batch' });
const create: NewJob = { endpoint: '/v1/chat/completions', model: 'm', input_files: [file.id] };
// @ts-expect-error: agents are not offered
const agent: NewJob = { endpoint: '/v1/chat/completions', agent_id: 'a' };
void agent;
const created: BatchJob = await client.jobs.create(create);
const ended = await client.jobs.waitUntilComplete(created.id, { intervalMs: 1, onProgress: (job) => void job.status });
const words: string[] = [ended.status, String(isComplete(ended))];
for await (const outcome of client.jobs.results<{ answer: string }>(ended))
  if (outcome.kind === 'succeeded') words.push(outcome.body.answer);
for await (const job of client.jobs.listAll({ status: ['SUCCESS'], page_size: 10 })) words.push(job.id.slice(0, 4));
const error: unknown = await client.upstreams.list().catch((thrown: unknown) => thrown);
if (error instanceof BoraError) words.push(error.code, String(error.status));
console.log(words.join(' '));
`;

let folder: string;
let installed: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bora-package-'));
  const built = join(folder, 'built');
  buildPackage(built);
  const { stdout } = await run('npm', ['pack', '--silent', '--offline', '--pack-destination', folder], {
    cwd: built,
  });
  installed = join(folder, 'project/node_modules/@bora/client');
  mkdirSync(installed, { recursive: true });
  await run('tar', ['-xzf', join(folder, stdout.trim()), '-C', installed, '--strip-components=1']);
});
after(() => rm(folder, { recursive: true }));

test('the package holds what runs, its declarations, and a manifest that depends on nothing', () => {
  const names = readdirSync(installed);
  assert.deepEqual(names.filter((name) => !/\.(js|d\.ts)$/.test(name)).toSorted(), [
    'LICENSE',
    'README.md',
    'package.json',
  ]);
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  for (const member of ['dependencies', 'peerDependencies', 'private'])
    assert.ok(!(member in manifest), member);
  const root = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, unknown>;
  assert.deepEqual(manifest['engines'], root['engines']);
});

test('nothing in it imports anything but its own files, so a browser loads it as it is', () => {
  const names = readdirSync(installed).filter((name) => /\.(js|d\.ts)$/.test(name));
  assert.ok(names.length > 20, `only ${names.length} files`);
  const imported = names.flatMap((name) =>
    [...readFileSync(join(installed, name), 'utf8').matchAll(/(?:from|import\(?)\s*['"]([^'"]+)['"]/g)].map(
      ([, target = '']) => ({ name, target }),
    ),
  );
  assert.ok(imported.length > 20, `only ${imported.length} imports`);
  for (const { name, target } of imported) {
    assert.match(target, /^\.\/[a-z-]+\.js$/, `${name} imports ${target}`);
    assert.ok(names.includes(target.slice(2)), `${name} imports ${target}, which is not there`);
  }
});

for (const [module, moduleResolution] of [
  ['esnext', 'bundler'],
  ['nodenext', 'nodenext'],
] as const) {
  test(`a strict project with nothing else installed compiles and runs with it (${moduleResolution})`, async () => {
    await using server = await tinyServer((request, response) => {
      request.resume();
      const ended = sampleJob({ status: 'SUCCESS', output_file: 'o' });
      const line = { id: 'x', custom_id: null, response: { status_code: 200, body: { answer: 'yes' } } };
      const { pathname } = new URL(request.url ?? '', 'http://x');
      if (pathname === '/v1/files') return answerJson(response, { id: 'f' });
      if (pathname === '/v1/files/o/content') return answerJson(response, line);
      if (pathname.startsWith('/bora')) return answerJson(response, { detail: 'No.' }, 403);
      if (pathname === '/v1/batch/jobs' && request.method === 'GET')
        return answerJson(response, { data: [ended], object: 'list', total: 1 });
      return answerJson(response, ended);
    });
    const project = join(folder, 'project');
    writeFileSync(join(project, 'package.json'), '{"type":"module"}');
    writeFileSync(join(project, 'program.ts'), PROGRAM.replace('#URL#', server.url));
    const compilerOptions = {
      module,
      moduleResolution,
      target: 'es2022',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      types: [],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
    const compiled = await run(process.execPath, [COMPILER, '-p', project]).catch((error: unknown) => error);
    assert.equal((compiled as { stdout: string }).stdout, '');
    const { stdout } = await run(process.execPath, [join(project, 'program.js')]);
    assert.equal(stdout, 'SUCCESS true yes 1111 refused 403\n');
  });
}
