import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { BoraClient } from '@bora/client';

const REPOSITORY = resolve(import.meta.dirname, '../../../..');

export interface SpawnOptions {
  readonly dataFolder: string;
  readonly upstream: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where the program stands; default: this repository. */
  readonly checkout?: string;
  /** A program, with its arguments, that runs the command behind them in its place, with the same process id. */
  readonly under?: readonly string[];
}

/** `bora serve` as a process. Disposing kills it. */
export class SpawnedBora implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly client: BoraClient;

  private constructor(child: ChildProcess, exited: Promise<unknown>, url: string) {
    this.#child = child;
    this.#exited = exited;
    this.client = new BoraClient({ baseUrl: url });
  }

  /** Resolves once it listens. */
  static async start({
    dataFolder,
    upstream,
    env,
    checkout = REPOSITORY,
    under = [],
  }: SpawnOptions): Promise<SpawnedBora> {
    const command = [...under, process.execPath, join(checkout, 'packages/cli/src/main.ts'), 'serve'];
    const child = spawn(command[0] ?? '', command.slice(1), {
      env: {
        ...process.env,
        BORA_DATA: dataFolder,
        BORA_PORT: '0',
        BORA_UPSTREAM: upstream,
        BORA_LOG_LEVEL: 'silent',
        BORA_STOP_GRACE_SECONDS: '1',
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const exited = once(child, 'exit');
    const said: string[] = [];
    for await (const line of createInterface({ input: child.stderr })) {
      said.push(line);
      const [, url] = /^Bora listens on (\S+)/.exec(line) ?? [];
      if (url === undefined) continue;
      child.stderr.resume();
      return new SpawnedBora(child, exited, url);
    }
    throw new Error(`Bora ended before it listened:\n${said.join('\n')}`);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
