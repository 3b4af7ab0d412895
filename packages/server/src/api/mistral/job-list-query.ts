import { batchJobListQuery, MAX_METADATA_KEYS } from '@bora/protocol/mistral-jobs';
import type { BatchJobListQuery } from '@bora/protocol/mistral-jobs';
import { queryInteger, queryValue } from '@bora/protocol/query-values';
import { z } from 'zod';
import { invalidMember } from '../errors.ts';
import { validate } from '../validation.ts';

export interface JobListQuery extends BatchJobListQuery {
  readonly metadata: Readonly<Record<string, string>> | undefined;
  /** Id of the job behind which the page begins, instead of `page`. */
  readonly after: string | undefined;
}

/** Cursor paging, which some clients (C#) send although the real API has none. */
const cursorQuery = z.object({
  limit: z.preprocess(queryInteger, z.int().min(1).max(1000).optional()),
  after: z.preprocess(queryValue, z.string().optional()),
});

/** Never metadata: what proxies, browsers and tracing put into queries. A metadata key of one of these names cannot be filtered by. */
const NOT_METADATA = new Set([
  ...Object.keys(batchJobListQuery.shape),
  ...Object.keys(cursorQuery.shape),
  'metadata',
  'api_key',
  'apikey',
  'api-version',
  'access_token',
  'order',
  '_',
  'inline',
  'traceparent',
  'trace_id',
  'utm_source',
]);

/**
 * Reads the query of `GET /v1/batch/jobs`. A metadata filter has no name of its own on the wire: SDKs send each of its keys as
 * a parameter (measured with all of them), so every parameter that has no other meaning is one. Also understood: `metadata[key]=value`,
 * `metadata={"key":"value"}`, `metadata=key:value`, and `metadata=null` as nothing.
 */
export function readJobListQuery(query: Readonly<Record<string, unknown>>): JobListQuery {
  const named = validate(
    batchJobListQuery,
    { ...query, created_after: isoDate(query.created_after) },
    'query',
  );
  const { limit, after } = validate(cursorQuery, query, 'query');
  // A map, since any name may come: `__proto__` too.
  const metadata = new Map<string, string>();
  for (const [name, value] of Object.entries(query)) {
    const bracketed = /^metadata\[(.+)\]$/.exec(name);
    if (name === 'metadata') for (const [key, text] of readMetadataValue(value)) metadata.set(key, text);
    else if (bracketed !== null) metadata.set(bracketed[1], textOf(value));
    else if (!NOT_METADATA.has(name)) metadata.set(name, textOf(value));
  }
  if (metadata.size > MAX_METADATA_KEYS) {
    const message = `No job has more than ${MAX_METADATA_KEYS} keys, and ${metadata.size} are asked for`;
    throw invalidMember(['query', 'metadata'], message, 'too_long');
  }
  return {
    ...named,
    page_size: query.page_size === undefined ? (limit ?? named.page_size) : named.page_size,
    after,
    metadata: metadata.size === 0 ? undefined : Object.fromEntries(metadata),
  };
}

function readMetadataValue(value: unknown): [string, string][] {
  const text = textOf(value);
  if (text === '') return [];
  if (text.startsWith('{')) {
    const object = parseObject(text);
    const entries = object === null ? null : Object.entries(object);
    if (entries?.every(([, item]) => typeof item !== 'object')) {
      return entries.map(([key, item]) => [key, String(item)]);
    }
  }
  const pair = /^([^:{]+):(.*)$/s.exec(text);
  if (pair !== null) return [[pair[1], pair[2]]];
  throw invalidMember(
    ['query', 'metadata'],
    'Input should be a JSON object of strings, or key:value; SDKs send each key as a parameter of its own',
    'dict_type',
  );
}

/** A space stands between date and time where the client passes on what its user wrote (Delphi), and for a plus sign that was sent bare. */
function isoDate(date: unknown): unknown {
  if (typeof date !== 'string') return date;
  return date.replace(/^(\d{4}-\d\d-\d\d) /, '$1T').replace(/ (?=\d\d:\d\d$)/, '+');
}

/** One value as text; absent and `null` as empty. */
function textOf(value: unknown): string {
  const text = queryValue(value);
  return typeof text === 'string' ? text : '';
}

function parseObject(text: string): object | null {
  try {
    return JSON.parse(text) as object;
  } catch {
    return null;
  }
}
