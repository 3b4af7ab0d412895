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
  /** Resolves with the text so far once stderr matches; rejects if the process ends before. */
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
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const listener of listeners) listener();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    child,
    finished,
    stderrMatches(pattern) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(stderr)) return;
          listeners.delete(look);
          resolve(stderr);
        };
        listeners.add(look);
        look();
        void finished.then(() =>
          reject(new Error(`bora ended before stderr matched ${pattern}:\n${stderr}`)),
        );
      });
    },
  };
}

/** Runs the `bora` command to its end. */
export function bora(
  args: readonly string[],
  options: Parameters<typeof startBora>[1] = {},
): Promise<Finished> {
  return startBora(args, options).finished;
}
