import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { ALL_ENDPOINTS, OPENAI_REQUIRED_MEMBERS } from '@bora/protocol/batch-endpoints';
import { windowMs } from '@bora/protocol/openai-batches';
import type { FileUpstream } from './bora-yaml.ts';
import { readBoraYaml } from './bora-yaml.ts';
import { ConfigError } from './config-error.ts';
import { readCorsOrigins } from './cors-origins.ts';
import type { CorsOrigins } from './cors-origins.ts';
import { readDeadlinePolicy } from './deadline-policy.ts';
import { readOptionValue } from './option-values.ts';
import { OPTIONS } from './options.ts';
import type { OptionName, OptionValues } from './options.ts';
import { webhookOptions } from './webhooks.ts';
import type { WebhookOptions } from './webhooks.ts';

/** All that Bora was told, checked. */
export interface Config extends Omit<
  OptionValues,
  | 'config'
  | 'upstream'
  | 'upstreamApiKey'
  | 'upstreamMaxInFlight'
  | 'deadlinePolicy'
  | 'corsOrigins'
  | 'batchEndpoints'
> {
  readonly upstreams: readonly UpstreamOptions[];
  readonly webhooks: readonly WebhookOptions[];
  readonly corsOrigins: CorsOrigins;
  /** Jobs that ask for less time get this much: see `readDeadlinePolicy`. */
  readonly leastTimeoutMs: number;
  /** Endpoints that batches of OpenAI's dialect may have, with what each requires of a request. */
  readonly openAiMembers: Readonly<Record<string, readonly string[]>>;
}

export interface UpstreamOptions {
  /** Unique. */
  readonly name: string;
  /** Without a trailing slash and without `/v1`. */
  readonly url: string;
  readonly apiKey: string | null;
  /** Names, or names with what the upstream calls them. Null: ask `/v1/models`. */
  readonly models: readonly string[] | Readonly<Record<string, string>> | null;
  /** Null: all. */
  readonly endpoints: readonly string[] | null;
  /** Null: find out. */
  readonly maxInFlight: number | null;
  readonly timeoutMs: number | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly weight: number;
  readonly fileForms: {
    readonly transcriptions: 'multipart' | 'json';
    readonly documents: 'data' | 'url';
  };
  /** Null: no limit. */
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

export interface ConfigSources {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** By option name; absent or undefined where the flag was not given. */
  readonly flags?: Readonly<Partial<Record<OptionName, unknown>>>;
  /** Where relative paths and `./bora.yaml` are looked for; default: the working folder. */
  readonly folder?: string;
}

/**
 * Derives the configuration: a flag wins over the environment, that over `bora.yaml`, that over the default.
 * @throws ConfigError with a sentence for each value or combination that cannot work.
 */
export function readConfig(sources: ConfigSources = {}): Config {
  const { env = {}, flags = {}, folder = '.' } = sources;
  const path = (flags.config as string | undefined) ?? env.BORA_CONFIG ?? null;
  const file = readConfigFile(resolve(folder, path ?? 'bora.yaml'), path !== null);

  const values: Record<string, unknown> = {};
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    const option = OPTIONS[name];
    const fromEnv = env[option.env];
    if (flags[name] !== undefined) values[name] = readOptionValue(name, flags[name], option.flag);
    else if (fromEnv !== undefined && fromEnv !== '')
      values[name] = readOptionValue(name, fromEnv, option.env);
    else if (file.options.get(name) != null) {
      values[name] = readOptionValue(name, file.options.get(name), `${option.env} (in bora.yaml)`);
    } else values[name] = option.default;
  }
  const options = values as unknown as OptionValues;

  checkCombinations(options, file.upstreams);
  const {
    config: _,
    upstream,
    upstreamApiKey,
    upstreamMaxInFlight,
    deadlinePolicy,
    batchEndpoints,
    ...rest
  } = options;
  checkWindows(options);
  const openAiMembers = membersByEndpoint(batchEndpoints ?? []);
  const leastTimeoutMs = readDeadlinePolicy(deadlinePolicy);
  const upstreams =
    upstream === null
      ? file.upstreams.map((described) => fromFile(described, env))
      : upstream.map((url) => fromUrl(url, upstreamApiKey, upstreamMaxInFlight));
  checkNames(upstreams);
  for (const network of rest.fetchAllow ?? []) checkNetwork(network);
  const publicUrl = rest.publicUrl === null ? null : checkUrl(rest.publicUrl, 'BORA_PUBLIC_URL');
  const linked = upstreams.find(({ fileForms }) => fileForms.documents === 'url');
  if (linked !== undefined && publicUrl === null) {
    throw new ConfigError(
      `Upstream ${linked.name} gets files as links (documents: url), but BORA_PUBLIC_URL does not say where they lead. Set it to a ` +
        'URL under which that upstream reaches Bora, or write documents: data.',
    );
  }
  const corsOrigins = readCorsOrigins(rest.corsOrigins);
  checkEndpoints(file.upstreams, Object.keys(openAiMembers));
  const data = resolve(folder, rest.data);
  const webhooks = webhookOptions(file.webhooks, env);
  return { ...rest, data, publicUrl, corsOrigins, upstreams, webhooks, leastTimeoutMs, openAiMembers };
}

function readConfigFile(path: string, required: boolean): ReturnType<typeof readBoraYaml> {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (required || (error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw new ConfigError(`The configuration file ${path} cannot be read: ${(error as Error).message}.`, {
        cause: error,
      });
    }
  }
  return readBoraYaml(text, path);
}

function checkWindows(options: OptionValues): void {
  for (const name of ['minCompletionWindow', 'maxCompletionWindow'] as const) {
    if (windowMs(options[name]) !== null) continue;
    throw new ConfigError(
      `${OPTIONS[name].env} is ${JSON.stringify(options[name])}; it must be minutes, hours or days, such as 30m, 24h or 7d.`,
    );
  }
}

/** Of an endpoint that only the operator knows nothing is required. */
function membersByEndpoint(more: readonly string[]): Config['openAiMembers'] {
  const wrong = more.find((endpoint) => !endpoint.startsWith('/'));
  if (wrong !== undefined) {
    throw new ConfigError(
      `BORA_BATCH_ENDPOINTS names ${JSON.stringify(wrong)}; an endpoint is a path such as /v1/rerank.`,
    );
  }
  const unknown = more.filter((endpoint) => !(endpoint in OPENAI_REQUIRED_MEMBERS));
  return { ...OPENAI_REQUIRED_MEMBERS, ...Object.fromEntries(unknown.map((endpoint) => [endpoint, []])) };
}

function checkEndpoints(described: readonly FileUpstream[], more: readonly string[]): void {
  const known = new Set([...ALL_ENDPOINTS, ...more]);
  for (const { url, endpoints = [] } of described) {
    const wrong = endpoints.find((endpoint) => !known.has(endpoint));
    if (wrong === undefined) continue;
    throw new ConfigError(
      `bora.yaml: the upstream ${url} has ${JSON.stringify(wrong)} among its \`endpoints\`, which no batch may have. ` +
        `Known are: ${[...known].join(', ')}. Others are named with BORA_BATCH_ENDPOINTS first.`,
    );
  }
}

function checkCombinations(options: OptionValues, described: readonly FileUpstream[]): void {
  if (options.upstream !== null && described.length > 0) {
    throw new ConfigError(
      'BORA_UPSTREAM is set and bora.yaml describes upstreams too. Say it in one place: unset BORA_UPSTREAM, or remove `upstreams`.',
    );
  }
  for (const name of ['upstreamApiKey', 'upstreamMaxInFlight'] as const) {
    if (options[name] !== null && options.upstream === null) {
      const key = name === 'upstreamApiKey' ? 'api_key_env' : 'max_in_flight';
      throw new ConfigError(
        `${OPTIONS[name].env} belongs to BORA_UPSTREAM, which is not set. In bora.yaml each upstream says its own \`${key}\`.`,
      );
    }
  }
  if (options.maxFileBytes !== null && options.maxFileBytes < options.maxLineBytes) {
    throw new ConfigError(
      `BORA_MAX_LINE_BYTES (${options.maxLineBytes}) is more than BORA_MAX_FILE_BYTES (${options.maxFileBytes}), so a line could never be that long. Lower it.`,
    );
  }
}

function fromUrl(url: string, apiKey: string | null, maxInFlight: number | null): UpstreamOptions {
  const base = checkUrl(url, 'BORA_UPSTREAM');
  return {
    name: nameOf(base),
    url: base,
    apiKey,
    models: null,
    endpoints: null,
    maxInFlight,
    timeoutMs: null,
    headers: {},
    weight: 1,
    fileForms: { transcriptions: 'multipart', documents: 'data' },
    requestsPerMinute: null,
    tokensPerMinute: null,
  };
}

function fromFile(described: FileUpstream, env: NonNullable<ConfigSources['env']>): UpstreamOptions {
  const url = checkUrl(described.url, 'bora.yaml, an upstream: url');
  const name = described.name ?? nameOf(url);
  const keyVariable = described.api_key_env;
  const apiKey = keyVariable === undefined ? null : (env[keyVariable] ?? '');
  if (apiKey === '') {
    throw new ConfigError(
      `Upstream ${name} takes its key from the environment variable ${keyVariable}, which is not set. Set it, or remove api_key_env.`,
    );
  }
  return {
    name,
    url,
    apiKey,
    models: described.models ?? null,
    endpoints: described.endpoints ?? null,
    maxInFlight: described.max_in_flight ?? null,
    timeoutMs: described.timeout_seconds === undefined ? null : described.timeout_seconds * 1000,
    headers: described.headers ?? {},
    weight: described.weight ?? 1,
    fileForms: {
      transcriptions: described.transcriptions ?? 'multipart',
      documents: described.documents ?? 'data',
    },
    requestsPerMinute: described.requests_per_minute ?? null,
    tokensPerMinute: described.tokens_per_minute ?? null,
  };
}

/** Servers are known by their base; people paste it with `/v1` as often as without, so both mean the same. */
function checkUrl(text: string, writtenAs: string): string {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new ConfigError(
      `${writtenAs} is ${JSON.stringify(text)}; it must be a URL such as http://host:8000.`,
    );
  }
  return url.href.replace(/\/+$/, '').replace(/\/v1$/, '');
}

function checkNetwork(network: string): void {
  const [address, prefix, ...more] = network.split('/');
  const family = isIP(address);
  const longest = family === 4 ? 32 : 128;
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= longest);
  if (family === 0 || !isPrefix || more.length > 0) {
    throw new ConfigError(
      `BORA_FETCH_ALLOW names ${JSON.stringify(network)}; it must be an address or a network such as 10.1.0.0/16.`,
    );
  }
}

function nameOf(url: string): string {
  const { host, pathname } = new URL(url);
  return pathname === '/' ? host : `${host}${pathname}`;
}

function checkNames(upstreams: readonly UpstreamOptions[]): void {
  const names = new Set<string>();
  for (const { name } of upstreams) {
    if (names.has(name)) {
      throw new ConfigError(
        `Two upstreams are called ${name}. Remove one, or give each a \`name\` in bora.yaml.`,
      );
    }
    names.add(name);
  }
}
