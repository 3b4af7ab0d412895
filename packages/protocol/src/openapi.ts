import { z } from 'zod';
import { errorBody } from './mistral-errors.ts';
import { openAiErrorBody } from './openai-errors.ts';
import { webhookEvent } from './openai-webhooks.ts';
import { OPERATIONS } from './operations.ts';
import type { Content, Operation } from './operations.ts';

type Json = Readonly<Record<string, unknown>>;

const IDEMPOTENCY_KEY: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  description:
    'However often the create comes with the same key, it makes one object, and answers it. Kept as long as the object, and a day longer.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};

/** The OpenAPI 3.1 document of all that Bora serves, made from the schemas that its handlers check with. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] ??= {};
    paths[operation.path][operation.method.toLowerCase()] = describe(operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Bora',
      version,
      description:
        "Self-hosted batch inference: Mistral's batch API and OpenAI's over the same store, with what Bora adds under `bora` and `/bora/v1`.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: [...new Set(OPERATIONS.map(({ group }) => group))].map((name) => ({ name })),
    paths,
    webhooks: { batch: { post: WEBHOOK } },
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'From `bora keys create`; not needed while there are no keys.',
        },
      },
      responses: {
        Refused: {
          description:
            "What is wrong and what to do, in the shape of the caller's dialect; the permanent code stands under `bora.code`.",
          content: {
            'application/json': {
              schema: { anyOf: [schemaOf(errorBody, 'output'), schemaOf(openAiErrorBody, 'output')] },
            },
          },
        },
      },
    },
  };
}

/** What Bora calls, instead of being called. */
const WEBHOOK: Json = {
  summary: 'A batch has ended.',
  description:
    'Posted to each address under `webhooks` in `bora.yaml`, signed as Standard Webhooks say, until it is answered with 2xx: for three days at most.',
  parameters: ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => ({
    name,
    in: 'header',
    required: true,
    schema: { type: 'string' },
  })),
  requestBody: {
    required: true,
    content: { 'application/json': { schema: schemaOf(webhookEvent, 'output') } },
  },
  responses: { '2XX': { description: 'It is told.' }, 410: { description: 'Tell me nothing more.' } },
};

function describe(operation: Operation): Json {
  const { path, group, summary, scope, query, takesKey, body, otherBody, answer } = operation;
  const taken = [body, otherBody].filter((each) => each !== undefined);
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...queryParameters(query),
    ...(takesKey === true ? [IDEMPOTENCY_KEY] : []),
  ];
  return {
    tags: [group],
    summary,
    ...(scope === null ? { security: [] } : { security: [{ key: [scope] }] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(taken.length === 0 ? {} : { requestBody: { required: true, content: contentOfAny(taken) } }),
    responses: {
      200: { description: 'Done.', content: contentOf(answer, 'output') },
      ...(scope === null ? {} : { default: { $ref: '#/components/responses/Refused' } }),
    },
  };
}

function contentOfAny(taken: readonly Content[]): Json {
  return Object.assign({}, ...taken.map((content) => contentOf(content, 'input'))) as Json;
}

function contentOf(content: Content, io: 'input' | 'output'): Json {
  switch (content.kind) {
    case 'json':
      return { 'application/json': { schema: schemaOf(content.schema, io) } };
    case 'form': {
      const { properties } = schemaOf(content.fields, 'output') as { properties: Json };
      const { file = 'file' } = content;
      const bytes = { type: 'string', contentMediaType: 'application/octet-stream' };
      const schema = { type: 'object', properties: { [file]: bytes, ...properties }, required: [file] };
      return { 'multipart/form-data': { schema } };
    }
    case 'bytes':
      return { [content.type]: {} };
  }
}

/** The values as Bora understands them; how lists and booleans may be spelled is wider (query-values.ts). */
function queryParameters(query: z.ZodObject | undefined): Json[] {
  if (query === undefined) return [];
  const { properties = {} } = schemaOf(query, 'output') as { properties?: Json };
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', schema }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...described } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  // Readers must take members that a later Bora adds.
  return JSON.parse(
    JSON.stringify(described, (key, value: unknown) =>
      key === 'additionalProperties' && value === false ? undefined : value,
    ),
  ) as Json;
}
