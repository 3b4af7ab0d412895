import { z } from 'zod';

/**
 * Query values as clients really send them. SDKs repeat a list parameter, others join with commas; booleans come as `true`
 * or `True`; old TypeScript SDKs write `null` for "not set". All of it means the same here (measured).
 */

/** Repeated and comma-joined values as one list; absent, empty and `null` as undefined. */
export function queryList(value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  const values = (Array.isArray(value) ? value : [value])
    .flatMap((item: unknown) => (typeof item === 'string' ? item.split(',') : [item]))
    .map((item) => (typeof item === 'string' ? item.trim() : item))
    .filter((item) => item !== '' && item !== 'null');
  return values.length === 0 ? undefined : values;
}

/** One value: the last of repeated ones; empty and `null` as undefined. */
export function queryValue(value: unknown): unknown {
  const last: unknown = Array.isArray(value) ? value.at(-1) : value;
  return last === '' || last === 'null' || last === null ? undefined : last;
}

/** `true`, `True`, `1` and their opposites as booleans; anything else unchanged, for the schema to refuse. */
export function queryBoolean(value: unknown): unknown {
  const last = queryValue(value);
  if (typeof last !== 'string') return last;
  const word = last.toLowerCase();
  if (word === 'true' || word === '1') return true;
  if (word === 'false' || word === '0') return false;
  return last;
}

/** A whole number written in digits as a number; anything else unchanged, for the schema to refuse. */
export function queryInteger(value: unknown): unknown {
  const last = queryValue(value);
  return typeof last === 'string' && /^-?\d+$/.test(last) ? Number(last) : last;
}

/** Zero-based page (spec). */
export const pageNumber = z.preprocess(queryInteger, z.int().min(0).default(0));

/** 1..1000, default 100 (default: spec; the maximum is ours, Mistral names none). */
export const pageSize = z.preprocess(queryInteger, z.int().min(1).max(1000).default(100));
