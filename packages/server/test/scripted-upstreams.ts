import type {
  AttemptRequest,
  FileForms,
  Slot,
  Upstreams,
  UpstreamStatus,
  Verdict,
} from '../src/upstreams/upstreams.ts';

export interface SentBody {
  readonly model?: string;
  readonly messages?: unknown;
  readonly [member: string]: unknown;
}

/** One upstream without a network: what it answers, how much it takes and what it serves are the test's. */
export class ScriptedUpstreams implements Upstreams {
  /** Answers a request; the default echoes the body. */
  answer: (body: SentBody, request: AttemptRequest, signal?: AbortSignal) => Verdict | Promise<Verdict> = (
    body,
  ) => succeeded({ echo: body });
  window = 8;
  /** Sees each chunk of a streamed body as it is taken. */
  onChunk: (chunk: Uint8Array) => void = () => {};
  fileForms: FileForms = { transcriptions: 'json', documents: 'data' };
  served: readonly string[] | 'any' = 'any';
  readonly sent: SentBody[] = [];
  inFlight = 0;
  maxInFlight = 0;
  readonly #listeners = new Set<() => void>();

  start(): Promise<void> {
    return Promise.resolve();
  }
  routes(): readonly string[] | 'any' {
    return this.served;
  }
  endpoints(): readonly string[] {
    return [];
  }
  models(): ReturnType<Upstreams['models']> {
    return { reachable: true, models: 'any', unheard: [] };
  }
  whyWaiting(route: string): string | null {
    return this.#serves(route) ? null : `Nobody serves ${route}.`;
  }
  capacity(): number {
    return this.window;
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  status(): readonly UpstreamStatus[] {
    return [];
  }
  acquireAhead(): Promise<never> {
    return Promise.reject(new Error('Nothing is passed through here.'));
  }
  resume(): void {}
  pause(): void {}

  /** Changes what is served, and says so. */
  serve(routes: readonly string[] | 'any'): void {
    this.served = routes;
    this.#changed();
  }

  tryAcquireAlone(route: string): Slot | null {
    return this.inFlight === 0 ? this.tryAcquire(route) : null;
  }

  tryAcquire(route: string): Slot | null {
    if (!this.#serves(route) || this.inFlight >= this.window) return null;
    this.inFlight += 1;
    this.maxInFlight = Math.max(this.maxInFlight, this.inFlight);
    const release = (): void => {
      this.inFlight -= 1;
      this.#changed();
    };
    return {
      upstream: 'scripted',
      renamed: null,
      fileForms: this.fileForms,
      onTrial: false,
      release,
      send: async (request, signal) => {
        try {
          const bytes = await bytesOf(request, this.onChunk);
          const body = (
            this.fileForms.transcriptions === 'json' ? JSON.parse(bytes.toString()) : {}
          ) as SentBody;
          this.sent.push(body);
          return await this.answer(body, request, signal);
        } finally {
          release();
        }
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #serves(route: string): boolean {
    return this.served === 'any' || this.served.includes(route);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

async function bytesOf(
  { body, streamed }: AttemptRequest,
  onChunk: (chunk: Uint8Array) => void,
): Promise<Buffer> {
  if (streamed === undefined) return Buffer.from(body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of streamed.open()) {
    chunks.push(chunk);
    onChunk(chunk);
  }
  return Buffer.concat(chunks);
}

export function succeeded(body: unknown): Verdict {
  return {
    kind: 'succeeded',
    status: 200,
    body: Buffer.from(JSON.stringify(body)),
    inputTokens: 3,
    outputTokens: 2,
  };
}

export function failed(status: number): Verdict {
  return {
    kind: 'failed',
    status,
    body: Buffer.from(JSON.stringify({ object: 'error', message: 'no', code: String(status) })),
    reason: `HTTP Error, status code: ${status}`,
  };
}

/** Never answers; ends with the signal. */
export function hang(signal: AbortSignal | undefined): Promise<Verdict> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

/** An answer that outgrows memory. */
export async function spillAnswer(_: SentBody, request: AttemptRequest): Promise<Verdict> {
  const spill = await request.openSpill(200);
  try {
    await spill.write(Buffer.from(JSON.stringify({ text: 'x'.repeat(300_000) })));
  } catch (error) {
    await spill.abandon();
    throw error;
  }
  await spill.finish();
  return { kind: 'succeeded', status: 200, body: null, inputTokens: 1, outputTokens: 1 };
}

export function chatLines(count: number, bytes = 0): string[] {
  const text = 'x'.repeat(bytes);
  return Array.from(
    { length: count },
    (_, at) =>
      `{"custom_id":"r${at}","body":{"messages":[{"role":"user","content":"r${at}"}],"text":"${text}"}}`,
  );
}
