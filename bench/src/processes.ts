import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BoraClient } from '@bora/client';

const CLI = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const STUB = fileURLToPath(new URL('./stub-upstream.ts', import.meta.url));
const BARE_LOOP = fileURLToPath(new URL('./bare-loop.ts', import.meta.url));

const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** A process of ours that has said its first line, which is how each of them says that it is ready. */
export class Started implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly firstLine: string;

  private constructor(child: ChildProcess, firstLine: string, exited: Promise<unknown>) {
    this.#child = child;
    this.firstLine = firstLine;
    this.#exited = exited;
  }

  /** @throws Error if it ends before it says anything. */
  static async start(
    script: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    nodeFlags: readonly string[] = [],
  ): Promise<Started> {
    const child = spawn(process.execPath, [...nodeFlags, script, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    alive.add(child);
    const exited = once(child, 'exit').then(() => alive.delete(child));
    const lines = createInterface({ input: child.stdout });
    const firstLine = once(lines, 'line').then(([line]) => String(line));
    const line = await Promise.race([firstLine, exited.then(() => null)]);
    if (line === null) throw new Error(`${script} ${args.join(' ')} ended before it was ready.`);
    return new Started(child, line, exited);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves once it is gone. */
  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#child.kill(signal);
    await this.#exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill('SIGKILL');
  }
}

export interface ServeOptions {
  readonly data: string;
  readonly upstream: string;
  readonly maxInFlight: number;
  readonly nodeFlags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export interface Serving extends AsyncDisposable {
  readonly url: string;
  readonly started: Started;
  readonly client: BoraClient;
}

/** `bora serve` with the flags of `npm start`. */
export async function startServe(options: ServeOptions): Promise<Serving> {
  const env = {
    BORA_DATA: options.data,
    BORA_UPSTREAM: options.upstream,
    BORA_UPSTREAM_MAX_IN_FLIGHT: String(options.maxInFlight),
    BORA_PORT: '0',
    BORA_LOG_LEVEL: 'warn',
    MALLOC_MMAP_THRESHOLD_: '73728',
    ...options.env,
  };
  const started = await Started.start(CLI, ['serve', '--json'], env, [
    '--max-semi-space-size=16',
    '--initial-heap-size=64',
    ...(options.nodeFlags ?? []),
  ]);
  const { url } = JSON.parse(started.firstLine) as { url: string };
  return {
    started,
    url,
    client: new BoraClient({ baseUrl: url }),
    [Symbol.asyncDispose]: () => started.kill('SIGKILL'),
  };
}

/** `bora simulate` with the given flags; its first line says where. */
export function startSimulator(flags: readonly string[]): Promise<Started> {
  return Started.start(CLI, ['simulate', '--json', ...flags]);
}

/** See stub-upstream.ts; its first line is its port. */
export function startStub(latencyMs: number): Promise<Started> {
  return Started.start(STUB, [String(latencyMs)]);
}

/** See bare-loop.ts; it has ended when its first line is there. */
export async function runBareLoop(
  url: string,
  file: string,
  concurrency: number,
): Promise<{ requests: number; seconds: number; cpuMs: number }> {
  await using ended = await Started.start(BARE_LOOP, [url, file, String(concurrency)]);
  return JSON.parse(ended.firstLine) as { requests: number; seconds: number; cpuMs: number };
}
