import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface BoraProcess {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolve with the text so far once it matches; reject if the process ends before. */
  stdoutMatches(pattern: RegExp): Promise<string>;
  stderrMatches(pattern: RegExp): Promise<string>;
}

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** Starts the `bora` command as a process of its own, without the caller's BORA_ variables; it looks for no upstreams unless told to. */
export function startBora(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): BoraProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('BORA_'));
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: { ...Object.fromEntries(inherited), BORA_LOCAL_UPSTREAMS: 'ignore', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (more: string) => {
      text[name] += more;
      for (const listener of listeners) listener();
    });
  }
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...text }));
  });
  const matches = (name: 'stdout' | 'stderr', pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!pattern.test(text[name])) return;
        listeners.delete(look);
        resolve(text[name]);
      };
      listeners.add(look);
      look();
      void finished.then(() =>
        reject(new Error(`bora ended before ${name} matched ${pattern}:\n${text.stdout}\n${text.stderr}`)),
      );
    });
  return {
    child,
    finished,
    stdoutMatches: (pattern) => matches('stdout', pattern),
    stderrMatches: (pattern) => matches('stderr', pattern),
  };
}

/** What `--json` says once the command listens. */
export async function listening(process: BoraProcess): Promise<{ url: string } & Record<string, unknown>> {
  const banner = /^\{"url".*\}$/m;
  const [line] = banner.exec(await process.stdoutMatches(banner)) ?? [];
  return JSON.parse(line!) as { url: string };
}

/** Runs the `bora` command to its end. */
export function bora(
  args: readonly string[],
  options: Parameters<typeof startBora>[1] = {},
): Promise<Finished> {
  return startBora(args, options).finished;
}
