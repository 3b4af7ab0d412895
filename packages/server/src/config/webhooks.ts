import { BATCH_ENDS, WEBHOOK_EVENTS } from '@bora/protocol/openai-webhooks';
import { z } from 'zod';
import { ConfigError } from './config-error.ts';

/** Who is told of batches that end, as `bora.yaml` describes it under `webhooks`. */
export const fileWebhook = z.strictObject({
  /** Shown in logs and metrics; default: host and port of the URL. What is not delivered yet belongs to the name. */
  name: z.string().min(1).max(64).optional(),
  url: z.string(),
  /** What signs: `whsec_` and base64, or any text. */
  secret: z.string().min(1).optional(),
  /** Name of the environment variable that holds the secret. */
  secret_env: z.string().min(1).optional(),
  /** Name or id of the workspace whose batches it is told of; without it all. */
  workspace: z.string().min(1).optional(),
  /** Without it all. */
  events: z.array(z.enum(WEBHOOK_EVENTS)).min(1).optional(),
});
export type FileWebhook = z.infer<typeof fileWebhook>;

export interface WebhookOptions {
  /** Unique. */
  readonly name: string;
  readonly url: string;
  /** What signs: the bytes that the secret stands for. */
  readonly key: Uint8Array;
  /** Null: all. */
  readonly workspace: string | null;
  /** Ends of batches that it is told of. */
  readonly states: readonly (typeof BATCH_ENDS)[number][];
}

/** @throws ConfigError */
export function webhookOptions(
  described: readonly FileWebhook[],
  env: Readonly<Record<string, string | undefined>>,
): WebhookOptions[] {
  const webhooks = described.map((webhook) => optionsOf(webhook, env));
  const names = webhooks.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return webhooks;
  throw new ConfigError(
    `Two webhooks are called ${twice}. Remove one, or give each a \`name\` in bora.yaml.`,
  );
}

function optionsOf(
  described: FileWebhook,
  env: Readonly<Record<string, string | undefined>>,
): WebhookOptions {
  const url = URL.parse(described.url);
  const isHttp = url !== null && ['http:', 'https:'].includes(url.protocol);
  if (!isHttp || url.username !== '' || url.password !== '') {
    throw new ConfigError(
      `bora.yaml, a webhook: url is ${JSON.stringify(described.url)}; it must be a URL such as https://app.example/hooks, ` +
        'without a user or a password.',
    );
  }
  // Paths of receivers often are secrets, and names are shown.
  const name = described.name ?? url.host;
  const { events = WEBHOOK_EVENTS } = described;
  return {
    name,
    url: url.href,
    key: keyOf(name, secretOf(name, described, env)),
    workspace: described.workspace ?? null,
    states: BATCH_ENDS.filter((end) => events.includes(`batch.${end}`)),
  };
}

function secretOf(
  name: string,
  { secret, secret_env: variable }: FileWebhook,
  env: Readonly<Record<string, string | undefined>>,
): string {
  if ((secret === undefined) === (variable === undefined)) {
    throw new ConfigError(
      `Webhook ${name} needs one secret, with which its receiver checks that a call is Bora's: in \`secret_env\` the environment variable ` +
        'that holds it, or in `secret` itself, and not both.',
    );
  }
  const value = secret ?? env[variable ?? ''] ?? '';
  if (value !== '') return value;
  throw new ConfigError(
    `Webhook ${name} takes its secret from the environment variable ${variable}, which is not set. Set it.`,
  );
}

/** As the SDKs read it: behind `whsec_` base64, without it the text itself. */
function keyOf(name: string, secret: string): Uint8Array {
  if (!secret.startsWith('whsec_')) return Buffer.from(secret, 'utf8');
  const base64 = secret.slice('whsec_'.length).replace(/=+$/, '');
  const key = Buffer.from(base64, 'base64');
  if (key.length > 0 && key.toString('base64').replace(/=+$/, '') === base64) return key;
  throw new ConfigError(
    `The secret of webhook ${name} begins with whsec_, but what follows is not base64. Copy it again, or make one: ` +
      'echo "whsec_$(openssl rand -base64 32)".',
  );
}
