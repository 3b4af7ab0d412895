import { member } from './answer-contents.ts';
import { LISTING_PATH } from './model-listing.ts';
import type { UpstreamConfig } from './upstreams.ts';

export interface LocalServer {
  readonly url: string;
  /** Null: the usual number. */
  readonly maxInFlight: number | null;
}

/** Where inference servers listen on this machine unless told otherwise. Ollama answers few requests at once and queues the rest. */
export const LOCAL_SERVERS: readonly LocalServer[] = [
  // Ollama
  { url: 'http://127.0.0.1:11434', maxInFlight: 4 },
  // vLLM
  { url: 'http://127.0.0.1:8000', maxInFlight: null },
  // llama.cpp
  { url: 'http://127.0.0.1:8080', maxInFlight: null },
  // LM Studio
  { url: 'http://127.0.0.1:1234', maxInFlight: null },
  // SGLang
  { url: 'http://127.0.0.1:30000', maxInFlight: null },
];

/** A server on this machine answers at once, or is none. */
const PROBE_MS = 1_000;

/** Upstreams to use where none is configured; never rejects. */
export type FindUpstreams = () => Promise<readonly UpstreamConfig[]>;

/** Those of the servers that answer as an inference server does, in their order. */
export async function findLocalServers(
  servers: readonly LocalServer[] = LOCAL_SERVERS,
  probeMs = PROBE_MS,
): Promise<readonly UpstreamConfig[]> {
  const answers = await Promise.all(servers.map(({ url }) => listsModels(url, probeMs)));
  return servers
    .filter((_, place) => answers[place])
    .map(({ url, maxInFlight }) => ({ name: new URL(url).host, url, maxInFlight, found: true }));
}

/** Any web server may listen on these ports: only a list of models, as OpenAI's API gives it, with at least one in it, counts. */
async function listsModels(url: string, probeMs: number): Promise<boolean> {
  try {
    const response = await fetch(url + LISTING_PATH, {
      redirect: 'error',
      signal: AbortSignal.timeout(probeMs),
    });
    // A Bora, maybe this one, stamps its answers so.
    if (response.status !== 200 || response.headers.has('mistral-correlation-id')) return false;
    const body: unknown = await response.json();
    const models = member(body, 'data');
    if (member(body, 'object') !== 'list' || !Array.isArray(models) || models.length === 0) return false;
    return models.every((model) => typeof member(model, 'id') === 'string');
  } catch {
    return false;
  }
}
