import { randomUUID } from 'node:crypto';

/** One id per call: in `x-request-id`, in `Mistral-Correlation-Id`, in error bodies and in the log. */
export function requestIdOf(): string {
  return randomUUID();
}

/**
 * The path that a client means. `/v1/v1/…` and `/v1//…` → `/v1/…`: SDKs of Mistral append `/v1` themselves, so whoever gives them an address
 * that ends in `/v1` calls the doubled path (measured); the C# SDK puts its own slash behind the one that an address may end in. The real
 * service answers 404 there, which helps nobody. `/openai/…`, `/openai/v1/…` and `/openai/deployments/<name>/…` → `/v1/…`: what clients of
 * Azure call (measured with `AzureOpenAI`), where the body names the model as well.
 */
export function meantPath(url: string): string {
  return url
    .replace(/^\/+openai\/+(?:v1\/+)?(?:deployments\/+[^/?]+\/+)?/, '/v1/')
    .replace(/^(?:\/+v1)+\/+/, '/v1/');
}
