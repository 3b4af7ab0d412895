/** What of a file a download asks for. `start` is inclusive, `end` exclusive. */
export type ContentRange =
  /** 200 */
  | { readonly kind: 'whole' }
  /** 206 */
  | { readonly kind: 'partial'; readonly start: number; readonly end: number }
  /** 416 */
  | { readonly kind: 'unsatisfiable' };

/**
 * Reads `Range` and `If-Range` as RFC 9110 sections 14.2 and 13.1.5 say. A header that is malformed, of another unit, or asks
 * for several ranges is ignored, which the RFC allows: the answer is the whole file.
 */
export function contentRangeOf(
  headers: { readonly range?: string | undefined; readonly ifRange?: string | undefined },
  file: { readonly size: number; readonly etag: string },
): ContentRange {
  const whole = { kind: 'whole' } as const;
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(headers.range ?? '');
  if (match === null) return whole;
  // Strong comparison: a weak tag or a date says nothing about bytes, so parts of two versions could be mixed.
  if (headers.ifRange !== undefined && headers.ifRange !== file.etag) return whole;
  const [, first = '', last = ''] = match;
  if (first === '') return last === '' ? whole : suffix(Number(last), file.size);
  if (last !== '' && Number(last) < Number(first)) return whole;
  if (Number(first) >= file.size) return { kind: 'unsatisfiable' };
  const end = last === '' ? file.size : Math.min(Number(last) + 1, file.size);
  return { kind: 'partial', start: Number(first), end };
}

/** The `Content-Range` header of a 206 or 416 answer. */
export function contentRangeHeader(range: Exclude<ContentRange, { kind: 'whole' }>, size: number): string {
  return range.kind === 'partial' ? `bytes ${range.start}-${range.end - 1}/${size}` : `bytes */${size}`;
}

function suffix(length: number, size: number): ContentRange {
  if (length === 0) return { kind: 'unsatisfiable' };
  // `Content-Range` cannot name the last bytes of an empty file.
  if (size === 0) return { kind: 'whole' };
  return { kind: 'partial', start: Math.max(0, size - length), end: size };
}
