import { randomUUID } from 'node:crypto';

/** One id per call: in `x-request-id`, in `Mistral-Correlation-Id`, in error bodies and in the log. */
export function requestIdOf(): string {
  return randomUUID();
}

/**
 * `/v1/v1/…` → `/v1/…`. SDKs append `/v1` themselves, so whoever gives them a server URL that ends in `/v1` calls the doubled
 * path (measured); the real service answers 404 there, which helps nobody.
 */
export function withoutDoubledVersion(url: string): string {
  return url.replace(/^\/v1(?=\/v1\/)/, '');
}
