import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BoraClient } from '@bora/client';
import type { CrashPlan } from './crash-plan.ts';

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url));

/** A Bora in a process of its own; see child.ts. */
export class CrashingBora implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  /** Where it listens; null if it died before. */
  readonly url: string | null;

  private constructor(child: ChildProcess, url: string | null, exited: Promise<unknown>) {
    this.#child = child;
    this.url = url;
    this.#exited = exited;
  }

  /** Resolves once it listens, or has died on the way there. `killed` kills it whenever it aborts. */
  static async start(plan: CrashPlan, killed?: AbortSignal): Promise<CrashingBora> {
    const child = spawn(process.execPath, [CHILD], {
      env: { ...process.env, BORA_CRASH_PLAN: JSON.stringify(plan) },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    killed?.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
    const lines = createInterface({ input: child.stdout });
    const firstLine = once(lines, 'line').then(([line]) => String(line));
    const url = await Promise.race([firstLine, exited.then(() => null)]);
    return new CrashingBora(child, url, exited);
  }

  get isDead(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** By SIGKILL, its own or ours; anything else is a defect of Bora. */
  get wasKilled(): boolean {
    return this.#child.signalCode === 'SIGKILL';
  }

  advanceClock(ms: number): void {
    this.#child.stdin?.write(`advance ${ms}\n`);
  }

  get client(): BoraClient {
    return new BoraClient({ baseUrl: this.url ?? '', maxRetries: 0 });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async died(): Promise<void> {
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#exited;
  }
}
