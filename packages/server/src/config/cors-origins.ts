import { ConfigError } from './config-error.ts';

/** Pages that may call: all, or those of the named origins. Null: all once API keys exist, none before. */
export type CorsOrigins = 'all' | readonly string[] | null;

/**
 * Reads what `BORA_CORS_ORIGINS` lists: origins, or `*` for all, or `nobody`.
 * @throws ConfigError
 */
export function readCorsOrigins(items: readonly string[] | null): CorsOrigins {
  if (items === null) return null;
  const [first, ...more] = items;
  if (more.length === 0 && first === '*') return 'all';
  if (more.length === 0 && first === 'nobody') return [];
  return items.map(originOf);
}

/** As browsers send it: no path, no default port, in lower case. Apps have origins of their own schemes, such as `tauri://localhost`. */
function originOf(text: string): string {
  const url = URL.parse(text);
  const isBare = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@]+\/?$/i.test(text);
  if (url === null || !isBare) {
    throw new ConfigError(
      `BORA_CORS_ORIGINS names ${JSON.stringify(text)}; it must be origins such as https://app.example:8443, or * for all, or nobody.`,
    );
  }
  return url.origin === 'null' ? text.replace(/\/$/, '') : url.origin;
}
