import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { answerOf, createJob, INPUT, MODEL } from './power/requests.ts';
import { SpawnedBora } from './power/spawned-bora.ts';
import { startScriptedUpstream } from './scripted-upstream.ts';
import { makeTemporaryFolder } from './temporary-folder.ts';

/**
 * Writes what another version of Bora leaves behind when it is killed: a file, a job that ended over it, one that runs, and one that waits
 * for a model. That version is used from outside, as a process, so that any commit will do:
 *
 *     git worktree add /tmp/older COMMIT && (cd /tmp/older && npm ci)
 *     node packages/testkit/src/write-older-folder.ts /tmp/older packages/server/test/older-folders/schema-N.tar.gz
 */
const UNLOADED = 'unloaded';

const [checkout = '', archive = ''] = process.argv.slice(2);
const models = [MODEL, UNLOADED];
const { promise: never } = Promise.withResolvers<void>();
let held = Infinity;
await using upstream = await startScriptedUpstream(models, async (request) => {
  if (!models.includes(String(request.body['model'])))
    return { status: 404, body: { error: { message: 'not found' } } };
  if (upstream.requests.length > held) await never;
  return answerOf(request);
});
await using folder = await makeTemporaryFolder();
const data = resolve(folder.path, 'data');
await using bora = await SpawnedBora.start({
  dataFolder: data,
  upstream: upstream.url,
  env: { BORA_UPSTREAM_MAX_IN_FLIGHT: '12' },
  checkout: resolve(checkout),
});
const { client } = bora;

const { id: fileId } = await client.files.upload(new Blob([INPUT]), { filename: 'requests.jsonl' });
await untilJob(await createJob(client, fileId), (job) => job.completed_at !== null);
// The others stay in flight, and leave places in the window.
held = upstream.requests.length + 24;
await untilJob(await createJob(client, fileId), (job) => job.completed_requests >= 20);
models.pop();
const waiting = { input_files: [fileId], endpoint: '/v1/chat/completions', model: UNLOADED } as const;
await untilJob(await client.jobs.create(waiting), (job) => (job.bora?.waiting?.length ?? 0) > 0);

await bora[Symbol.asyncDispose]();
const files = execFileSync('find', ['.', '-type', 'f', '-not', '-name', '*-shm', '-not', '-name', 'lock*'], {
  cwd: data,
  encoding: 'utf8',
});
execFileSync('tar', ['-czf', resolve(archive), '-C', data, '-T', '-'], { input: files });
// Its upstream holds answers for ever.
process.exit(0);

async function untilJob({ id }: BatchJob, holds: (job: BatchJob) => boolean): Promise<void> {
  while (!holds(await client.jobs.get(id))) await new Promise((done) => setTimeout(done, 20));
}
