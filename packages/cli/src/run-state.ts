import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CliError } from './cli-error.ts';
import { syncFolder, writeFileDurably } from './durable-file.ts';
import { EXIT } from './exit-codes.ts';
import type { JobSummary } from './job-report.ts';

/** Version 1: as below. */
const STATE_VERSION = 1;

/** What a run is about. If any of it differs, it is another run. */
export interface RunIdentity {
  readonly bytes: number;
  /** Lower-case hex SHA-256 of the input. */
  readonly sha256: string;
  readonly endpoint: string;
  readonly model: string | null;
}

/**
 * What `bora run` remembers beside Bora's own data, in `<output>.bora/run.json`. The run id is written before anything is uploaded and is
 * carried by the uploaded file's name and the job's metadata, so that a run killed between the creation of its job and the writing of the
 * job's id finds that job again instead of paying for a second one.
 */
export interface RunState {
  readonly version: number;
  readonly runId: string;
  readonly identity: RunIdentity;
  readonly jobId: string | null;
  /** Set when the output file is whole. */
  readonly summary: JobSummary | null;
}

/** Reads the whole input once. */
export async function identify(
  input: string,
  endpoint: string,
  model: string | null,
  signal: AbortSignal,
): Promise<RunIdentity> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(input, { signal, highWaterMark: 1024 * 1024 })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new CliError(`Cannot read ${input}.`, {
      exitCode: EXIT.usage,
      why: error instanceof Error ? error.message : String(error),
    });
  }
  return { bytes, sha256: hash.digest('hex'), endpoint, model };
}

/** The state in the folder, or null if no run was begun there. */
export async function readRunState(folder: string): Promise<RunState | null> {
  const path = statePath(folder);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const state = JSON.parse(text) as RunState;
  if (state.version !== STATE_VERSION)
    throw new CliError(`Cannot continue the run in ${folder}.`, {
      exitCode: EXIT.runChanged,
      why: `It was begun by another version of Bora (its state is version ${state.version}, this one writes ${STATE_VERSION}).`,
      whatToDo: 'Finish it with that version, or remove the folder and begin anew.',
    });
  return state;
}

/** Begins a run: when it resolves, the folder and its state survive power loss. */
export async function beginRun(folder: string, identity: RunIdentity): Promise<RunState> {
  await mkdir(folder, { recursive: true });
  await syncFolder(dirname(folder));
  const state = {
    version: STATE_VERSION,
    runId: randomUUID(),
    identity,
    jobId: null,
    summary: null,
  } as const;
  await writeRunState(folder, state);
  return state;
}

export async function writeRunState(folder: string, state: RunState): Promise<void> {
  await writeFileDurably(statePath(folder), `${JSON.stringify(state, null, 2)}\n`);
}

/** @throws CliError that says what differs, if the run in the folder is about something else. */
export function checkSameRun(folder: string, state: RunState, now: RunIdentity): void {
  const before = state.identity;
  const changes: string[] = [];
  if (before.sha256 !== now.sha256)
    changes.push(
      before.bytes === now.bytes
        ? 'the input has other content'
        : `the input had ${before.bytes} bytes and has ${now.bytes}`,
    );
  if (before.endpoint !== now.endpoint)
    changes.push(`--endpoint was ${before.endpoint} and is ${now.endpoint}`);
  if (before.model !== now.model)
    changes.push(`--model was ${before.model ?? 'not given'} and is ${now.model ?? 'not given'}`);
  if (changes.length === 0) return;
  throw new CliError('This is not the run that was begun for this output.', {
    exitCode: EXIT.runChanged,
    why: `Since then ${changes.join('; ')}.`,
    whatToDo: `Choose another -o, or remove ${folder} to give that run up.`,
  });
}

function statePath(folder: string): string {
  return join(folder, 'run.json');
}
