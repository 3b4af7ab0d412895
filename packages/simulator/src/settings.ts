import type { Distribution } from './distribution.ts';

interface Described {
  /** One or two sentences, as `--help` and the README print them. */
  readonly description: string;
  readonly unit?: 'ms' | 'seconds' | 'tokens' | 'tokens per second' | 'bytes' | 'requests';
}

interface Ranged extends Described {
  /** Inclusive. */
  readonly min: number;
  readonly max: number;
}

/** `null` as a default means: none. */
export type SettingDefinition =
  | (Described & { readonly kind: 'text'; readonly default: string | null })
  | (Described & { readonly kind: 'list'; readonly default: readonly string[] | null })
  | (Described & { readonly kind: 'switch'; readonly default: boolean })
  | (Ranged & { readonly kind: 'whole' | 'number'; readonly default: number | null })
  | (Ranged & { readonly kind: 'distribution'; readonly default: Distribution });

const SHARE = { kind: 'number', min: 0, max: 1, default: 0 } as const;

/** Every setting once: the types, the checks, the flags of `bora simulate` and its help are made of this table. */
export const SETTINGS = {
  host: { kind: 'text', default: '127.0.0.1', description: 'Address to listen on.' },
  port: {
    kind: 'whole',
    min: 0,
    max: 65_535,
    default: 0,
    description: 'Port to listen on; 0 picks a free one.',
  },
  models: {
    kind: 'list',
    default: ['simulated-chat', 'simulated-embed'],
    description: 'Models it serves, each on every endpoint; any other is answered 404.',
  },
  endpoints: {
    kind: 'list',
    default: null,
    description: 'Paths it answers, such as /v1/embeddings; without this all it knows. Any other is 404.',
  },
  apiKey: {
    kind: 'text',
    default: null,
    description: 'Key that requests must carry as a bearer token; others are answered 401.',
  },
  seed: {
    kind: 'whole',
    min: 0,
    max: 2 ** 31 - 1,
    default: 1,
    description: 'Answers, latencies and failures follow from it and from the body of the request.',
  },
  slots: {
    kind: 'whole',
    unit: 'requests',
    min: 1,
    max: 1_000_000,
    default: 256,
    description: 'Requests worked on at once. More wait in a queue that refuses nobody, as in vLLM.',
  },
  maxQueued: {
    kind: 'whole',
    unit: 'requests',
    min: 0,
    max: 1_000_000,
    default: null,
    description: 'With so many waiting, the next is answered 429 at once, as in TGI.',
  },
  latencyMs: {
    kind: 'distribution',
    unit: 'ms',
    min: 0,
    max: 3_600_000,
    default: 0,
    description: 'Work on a request before its first token.',
  },
  tokensPerSecond: {
    kind: 'number',
    unit: 'tokens per second',
    min: 0.001,
    max: 1e9,
    default: null,
    description: 'Speed of one answer; adds the time of its tokens to the latency.',
  },
  outputTokens: {
    kind: 'distribution',
    unit: 'tokens',
    min: 0,
    max: 1_000_000,
    default: { min: 8, max: 64 },
    description: 'Length of an answer, where max_tokens of the request does not end it before.',
  },
  answerBytes: {
    kind: 'whole',
    unit: 'bytes',
    min: 0,
    max: 256 * 1024 * 1024,
    default: null,
    description: 'Makes answers that hold text this large by lengthening it.',
  },
  prettyPrint: {
    kind: 'switch',
    default: false,
    description: 'Answers over several lines, with line breaks between their members.',
  },
  embeddingDimensions: {
    kind: 'whole',
    min: 1,
    max: 8_192,
    default: 256,
    description: 'Length of embeddings, where the request does not name one.',
  },
  forgetBodies: {
    kind: 'switch',
    default: false,
    description:
      'Does not count each body, to save its memory; failures then depend on the order of the requests.',
  },
  rate429: { ...SHARE, description: 'Share of requests answered 429 at once.' },
  rate503: { ...SHARE, description: 'Share of requests answered 503 at once.' },
  retryAfterSeconds: {
    kind: 'number',
    unit: 'seconds',
    min: 0,
    max: 86_400,
    default: null,
    description: 'Sent as Retry-After with 429 and 503.',
  },
  rate500: { ...SHARE, description: 'Share of requests answered 500 after the work.' },
  rateResetBefore: {
    ...SHARE,
    description:
      'Share of requests whose connection is reset after the work, before the first byte of the answer.',
  },
  rateResetDuring: {
    ...SHARE,
    description: 'Share of requests whose connection is reset in the middle of the answer.',
  },
  rateHang: {
    ...SHARE,
    description: 'Share of requests never answered; the slot is free again when the client leaves.',
  },
  rateGarbage: {
    ...SHARE,
    description: 'Share of requests answered 200 with a page of HTML in place of JSON.',
  },
  rateEmpty: { ...SHARE, description: 'Share of requests answered 200 with nothing in it.' },
  rateCut: {
    ...SHARE,
    description: 'Share of requests answered 200 with the first half of the answer, as though that were all.',
  },
  rateStall: {
    ...SHARE,
    description: 'Share of requests that get half of the answer, and then nothing on an open connection.',
  },
  rateSlow: { ...SHARE, description: 'Share of requests whose answer comes slowly, in pieces.' },
  slowBodyMs: {
    kind: 'whole',
    unit: 'ms',
    min: 1,
    max: 3_600_000,
    default: 5_000,
    description: 'How long a slow answer takes from its first byte to its last.',
  },
  refuseText: {
    kind: 'text',
    default: null,
    description: 'Requests with this text in them are answered 403, each time they come.',
  },
  crashText: {
    kind: 'text',
    default: null,
    description: 'Requests with this text in them crash it, each time they come.',
  },
  crashMs: {
    kind: 'whole',
    unit: 'ms',
    min: 0,
    max: 3_600_000,
    default: 2_000,
    description: 'How long it is down after a crash.',
  },
  quotaUsedUp: {
    kind: 'switch',
    default: false,
    description: 'Answers every request 429 with the code insufficient_quota.',
  },
  keepAliveMs: {
    kind: 'whole',
    unit: 'ms',
    min: 1,
    max: 3_600_000,
    default: 5_000,
    description: 'Idle connections are closed after this time, as by the server in front of vLLM.',
  },
  down: {
    kind: 'switch',
    default: false,
    description: 'Refuses connections and cuts the open ones; off again, the same port listens.',
  },
} as const satisfies Readonly<Record<string, SettingDefinition>>;

export type SettingName = keyof typeof SETTINGS;

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

type ValueOf<Definition> = Definition extends { kind: 'list' }
  ? readonly string[] | NullOf<Definition>
  : Definition extends { kind: 'switch' }
    ? boolean
    : Definition extends { kind: 'distribution' }
      ? Distribution
      : Definition extends { kind: 'text' }
        ? string | NullOf<Definition>
        : number | NullOf<Definition>;

type NullOf<Definition> = Definition extends { default: null } ? null : never;

export type SimulatorSettings = { readonly [Name in SettingName]: ValueOf<(typeof SETTINGS)[Name]> };

export const DEFAULT_SETTINGS: SimulatorSettings = Object.fromEntries(
  SETTING_NAMES.map((name) => [name, SETTINGS[name].default]),
) as unknown as SimulatorSettings;
