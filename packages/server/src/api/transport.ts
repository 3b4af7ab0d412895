import { randomUUID } from 'node:crypto';

/** One id per call: in `x-request-id`, in `Mistral-Correlation-Id`, in error bodies and in the log. */
export function requestIdOf(): string {
  return randomUUID();
}

/**
 * `/v1/v1/…` and `/v1//…` → `/v1/…`. SDKs of Mistral append `/v1` themselves, so whoever gives them an address that ends in `/v1`
 * calls the doubled path (measured); the C# SDK puts its own slash behind the one that an address may end in. The real service
 * answers 404 there, which helps nobody.
 */
export function withoutDoubledVersion(url: string): string {
  return url.replace(/^(?:\/+v1)+\/+/, '/v1/');
}
