import { randomUUID } from 'node:crypto';

/** One id per call: in `x-request-id`, in `Mistral-Correlation-Id`, in error bodies and in the log. */
export function requestIdOf(): string {
  return randomUUID();
}

/**
 * The path that a client means. SDKs of Mistral append `/v1` themselves, so whoever gives them an address that ends in `/v1` calls `/v1/v1/…`
 * (measured); the C# SDK puts its own slash behind the one that an address may end in, and ellmer (R) two between all parts. The real
 * service of Mistral answers 404 there, which helps nobody. `/openai/…`, `/openai/v1/…` and `/openai/deployments/<name>/…` are what clients
 * of Azure call (measured with `AzureOpenAI`), where the body names the model as well.
 */
export function meantPath(url: string): string {
  const [path = ''] = url.split('?', 1);
  const meant = path
    // Those behind a colon are a whole URL's, as proxies are asked.
    .replaceAll(/(?<!:)\/{2,}/g, '/')
    .replace(/^\/openai\/(?:v1\/)?(?:deployments\/[^/]+\/)?/, '/v1/')
    .replace(/^(?:\/v1)+\//, '/v1/')
    .replace(/(?<=.)\/$/, '');
  return meant + url.slice(path.length);
}
