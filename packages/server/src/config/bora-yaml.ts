import { parseDocument } from 'yaml';
import { z } from 'zod';
import { ConfigError } from './config-error.ts';
import { nearestName } from './nearest-name.ts';
import { fileKeyOf, OPTIONS } from './options.ts';
import type { OptionName } from './options.ts';
import { fileWebhook } from './webhooks.ts';
import type { FileWebhook } from './webhooks.ts';

const modelName = z.string().min(1);

/** One inference server as `bora.yaml` describes it under `upstreams`. */
const fileUpstream = z.strictObject({
  /** Shown in logs, metrics and reasons; default: host and port of the URL. */
  name: z.string().min(1).max(64).optional(),
  url: z.string(),
  /** Name of the environment variable that holds the key; the key itself never stands in the file. */
  api_key_env: z.string().min(1).optional(),
  /**
   * Names that jobs may ask for: a list, or a mapping to what the server calls them. `*` stands for every other name. Without it
   * `/v1/models` is asked.
   */
  models: z
    .union(
      [
        z.array(modelName).min(1),
        z.record(modelName, modelName).refine((map) => Object.keys(map).length > 0),
      ],
      {
        error: 'must be a list of names, or a mapping of names to what the server calls them',
      },
    )
    .optional(),
  /** Endpoints it serves; without it all. */
  endpoints: z.array(z.string()).min(1).optional(),
  /** Most requests at once, 64 without it; fewer while it answers 429 or 503. */
  max_in_flight: z.int().min(1).optional(),
  /** Most requests, and most tokens of requests and answers, that it gets in any minute; no limit without them. */
  requests_per_minute: z.int().min(1).optional(),
  tokens_per_minute: z.int().min(1).optional(),
  /** One attempt may take this long, in seconds. */
  timeout_seconds: z.number().positive().optional(),
  /** Sent with each request. */
  headers: z.record(z.string(), z.string()).optional(),
  /** How it takes requests to transcribe: as a form with the sound in it, or as the line has them. */
  transcriptions: z.enum(['multipart', 'json']).optional(),
  /** How it gets files that lines name, in JSON: as data URLs, or as signed links to Bora. */
  documents: z.enum(['data', 'url']).optional(),
  /** Share of the work among upstreams of the same model; default 1. */
  weight: z.number().positive().optional(),
});
export type FileUpstream = z.infer<typeof fileUpstream>;

export interface BoraYaml {
  readonly options: ReadonlyMap<OptionName, unknown>;
  readonly upstreams: readonly FileUpstream[];
  readonly webhooks: readonly FileWebhook[];
}

/** `config` names this file, so it cannot stand in it. */
const OPTION_BY_FILE_KEY = new Map(
  (Object.keys(OPTIONS) as OptionName[])
    .filter((name) => name !== 'config')
    .map((name) => [fileKeyOf(name), name] as const),
);
const TOP_KEYS = [...OPTION_BY_FILE_KEY.keys(), 'upstreams', 'webhooks'];

/**
 * Reads the text of a `bora.yaml`. `path` only serves the messages.
 * @throws ConfigError naming the line of broken YAML, or the key and, for an unknown one, the nearest known key.
 */
export function readBoraYaml(text: string, path: string): BoraYaml {
  const document = parseDocument(text);
  const broken = document.errors[0];
  if (broken !== undefined) throw new ConfigError(`${path} is not valid YAML: ${broken.message}`);
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ConfigError(`${path} must hold options by name, such as "port: 2672".`);
  }

  const options = new Map<OptionName, unknown>();
  let upstreams: FileUpstream[] = [];
  let webhooks: FileWebhook[] = [];
  for (const [key, value] of Object.entries(content)) {
    const name = OPTION_BY_FILE_KEY.get(key);
    if (key === 'upstreams') upstreams = readEntries(key, fileUpstream, value, path);
    else if (key === 'webhooks') webhooks = readEntries(key, fileWebhook, value, path);
    else if (name !== undefined) options.set(name, value);
    else throw unknownKey(key, TOP_KEYS, path);
  }
  return { options, upstreams, webhooks };
}

function readEntries<Entry extends z.ZodObject>(
  key: string,
  entry: Entry,
  value: unknown,
  path: string,
): z.infer<Entry>[] {
  const result = z.array(entry).safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = `${key}${issue.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('')}`;
  if (issue.code === 'unrecognized_keys') {
    throw unknownKey(issue.keys[0], Object.keys(entry.shape), `${path}, ${where}`);
  }
  throw new ConfigError(`${path}: ${where}: ${issue.message}.`);
}

function unknownKey(key: string, known: readonly string[], where: string): ConfigError {
  const nearest = nearestName(key, known);
  const advice =
    nearest === null ? `Known are: ${known.join(', ')}.` : `Did you mean ${JSON.stringify(nearest)}?`;
  return new ConfigError(`${where}: there is no option ${JSON.stringify(key)}. ${advice}`);
}
