import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BoraClient } from '@bora/client';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { inspectDataFolder } from '@bora/server/data-folder';
import { startScriptedUpstream } from '../scripted-upstream.ts';
import { makeTemporaryFolder } from '../temporary-folder.ts';
import { answerOf, createJob, INPUT, MODEL, REQUESTS, wrongResults } from './requests.ts';
import { SpawnedBora, type SpawnOptions } from './spawned-bora.ts';
import { checkCalls, STRACE, TRACED, type CallReport } from './system-calls.ts';

export interface RealDiskReport {
  readonly violations: readonly string[];
  /** What was done, in a few words. */
  readonly done: string;
}

/** Whether a program is there, and may do here what it is asked to. */
export function isAble(command: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A job from upload to results, every system call that writes or syncs looked at. */
export async function traceSyncs(): Promise<RealDiskReport> {
  const { violations, commits, objects } = await traced([]);
  if (commits < 10 || objects < 3)
    violations.push(`Only ${commits} commits and ${objects} objects were seen.`);
  return {
    violations,
    done: `${commits} commits and ${objects} objects were synced before anybody was told`,
  };
}

/** The same while each thread's n-th fsync fails with EIO, and every one a step later. */
export async function failSyncs(nth: number, step: number): Promise<RealDiskReport> {
  const fault = `error=EIO:when=${nth}+${step}`;
  const report = await traced(['-e', `inject=fsync:${fault}`, '-e', `inject=fdatasync:${fault}`]);
  return { violations: report.violations, done: `${report.failures} syncs failed` };
}

async function traced(
  faults: readonly string[],
): Promise<Omit<CallReport, 'violations'> & { violations: string[] }> {
  await using folder = await makeTemporaryFolder();
  const data = join(folder.path, 'data');
  const log = join(folder.path, 'calls');
  await using upstream = await startScriptedUpstream([MODEL], answerOf);
  const options: SpawnOptions = {
    dataFolder: data,
    upstream: upstream.url,
    // In which strace would see nothing.
    env: { UV_USE_IO_URING: '0' },
  };
  // The folder is made without faults: a first start that fails has nothing to lose.
  await (await SpawnedBora.start(options)).stop();
  const under = ['strace', ...STRACE, '-o', log, '-e', TRACED, ...faults];
  const violations: string[] = [];
  {
    await using bora = await SpawnedBora.start({ ...options, under });
    const job = await runJob(bora.client, () => {});
    violations.push(...(await wrongResults(bora.client, job)));
    await bora.stop();
  }
  const sent = upstream.requests.length;
  // A large answer whose object could not be synced is asked for again.
  if (sent > REQUESTS + 8) violations.push(`${sent} requests were sent.`);
  const report = checkCalls(readFileSync(log, 'utf8').split('\n'), data);
  violations.push(...report.violations, ...(await damagesOf(data)));
  return { ...report, violations };
}

/** A job whose file system is filled while it runs, down to `left` bytes, and emptied again. */
export async function fillDisk(minFreeBytes: number, left: number): Promise<RealDiskReport> {
  await using folder = await makeTemporaryFolder();
  const disk = join(folder.path, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk]);
  try {
    return await fillMounted(disk, minFreeBytes, left);
  } finally {
    execFileSync('umount', [disk]);
  }
}

async function fillMounted(disk: string, minFreeBytes: number, left: number): Promise<RealDiskReport> {
  const violations: string[] = [];
  const ballast = join(disk, 'ballast');
  const dataFolder = join(disk, 'data');
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  await using upstream = await startScriptedUpstream([MODEL], async (request) => {
    await held;
    return answerOf(request);
  });
  {
    const env = { BORA_MIN_FREE_BYTES: String(minFreeBytes), BORA_UPSTREAM_MAX_IN_FLIGHT: '8' };
    await using bora = await SpawnedBora.start({ dataFolder, upstream: upstream.url, env });
    const { client } = bora;
    let reason = '';
    const job = await runJob(client, async (running) => {
      if (reason !== '') return;
      await upstream.received(1);
      fill(ballast, disk, left);
      // Without any room it is the answers that find out.
      if (left === 0) letGo();
      [reason = ''] = running.bora?.waiting ?? [];
      if (reason === '') return;
      letGo();
      const refusal: unknown = await client.files
        .upload(new Blob([INPUT.repeat(20)]), { filename: 'b.jsonl' })
        .catch((error: unknown) => error);
      const { code } = refusal as { code?: string };
      if (code !== 'disk_full')
        violations.push(`An upload without room was answered with ${String(refusal)}.`);
      rmSync(ballast);
    });
    if (!/free|room/.test(reason)) violations.push(`The job said that it waits for "${reason}".`);
    violations.push(...(await wrongResults(client, job)));
    await bora.stop();
    violations.push(...(await damagesOf(dataFolder)));
    const sent = upstream.requests.length;
    // Large answers in flight without any room are lost, and asked for again.
    if (sent > REQUESTS + (left === 0 ? 8 : 0)) violations.push(`${sent} requests were sent.`);
    return { violations, done: `a job waited with "${reason}" and went on` };
  }
}

function fill(ballast: string, disk: string, left: number): void {
  const { bavail, bsize } = statfsSync(disk);
  const bytes = bavail * bsize - left;
  if (bytes <= 0) return;
  try {
    writeFileSync(ballast, Buffer.alloc(bytes), { flag: 'a' });
  } catch {
    // Bora wrote meanwhile; it is full now.
  }
}

/** As a client does that is told of failures, and tries again. */
async function runJob(client: BoraClient, look: (job: BatchJob) => Promise<void> | void): Promise<BatchJob> {
  const fileId = await again(
    async () => (await client.files.upload(new Blob([INPUT]), { filename: 'a.jsonl' })).id,
  );
  const { id } = await again(() => createJob(client, fileId));
  for (;;) {
    const job = await again(() => client.jobs.get(id));
    if (job.completed_at !== null) return job;
    await look(job);
    await pause();
  }
}

async function again<Result>(call: () => Promise<Result>): Promise<Result> {
  for (let tries = 0; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (tries === 20) throw error;
      await pause();
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

async function damagesOf(dataFolder: string): Promise<string[]> {
  const { damages } = await inspectDataFolder(dataFolder);
  return damages.map(({ kind, subject, detail }) => `${kind} ${subject}: ${detail}`);
}
