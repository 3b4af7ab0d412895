/**
 * Walks JSON by bytes, to know where things lie without building values or changing a byte. It reads structure only
 * (strings, nesting, commas): of text that `JSON.parse` accepts it finds exactly what `JSON.parse` finds; of anything
 * else it finds some ranges inside the bytes, or throws `JsonScanError`. It never runs past the end.
 */
export class JsonScanError extends Error {
  override readonly name = 'JsonScanError';

  constructor(at: number) {
    super(`Not JSON: the structure breaks at byte ${at}.`);
  }
}

/** Ranges of a member of an object, in bytes: start inclusive, end exclusive. The key's range holds its quotes. */
export interface Member {
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
/** How far into a string the walk goes before the search is worth its call. */
const WALKED_BYTES = 48;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Walks the members of the object that begins at `at` (after whitespace), in order, duplicates included. It is itself the member that
 * it has come to, so a walk allocates nothing: members as objects of their own cost 2 KB a request, which is garbage to collect.
 */
export class MemberWalk implements Member {
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  readonly #bytes: Uint8Array;
  #at: number;
  #isFirst = true;

  /** @throws JsonScanError if there is no object. */
  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = skipSpace(bytes, at);
    if (bytes[this.#at] !== OPEN_BRACE) throw new JsonScanError(this.#at);
  }

  /**
   * Goes to the next member; false if there is none.
   * @throws JsonScanError if the structure breaks.
   */
  next(): boolean {
    const bytes = this.#bytes;
    let at = this.#isFirst ? this.#at : skipSpace(bytes, this.#at);
    if (!this.#isFirst && bytes[at] === CLOSE_BRACE) return false;
    if (!this.#isFirst && bytes[at] !== COMMA) throw new JsonScanError(at);
    at = skipSpace(bytes, at + 1);
    if (this.#isFirst && bytes[at] === CLOSE_BRACE) return false;
    this.#isFirst = false;
    if (bytes[at] !== QUOTE) throw new JsonScanError(at);
    this.keyStart = at;
    this.keyEnd = skipString(bytes, at);
    at = skipSpace(bytes, this.keyEnd);
    if (bytes[at] !== COLON) throw new JsonScanError(at);
    this.valueStart = skipSpace(bytes, at + 1);
    this.valueEnd = skipValue(bytes, this.valueStart);
    this.#at = this.valueEnd;
    return true;
  }
}

/**
 * The same members as objects that can be kept, where there is no hurry.
 * @throws JsonScanError as `MemberWalk`.
 */
export function* membersOf(bytes: Uint8Array, at = 0): Generator<Member, void, undefined> {
  const walk = new MemberWalk(bytes, at);
  while (walk.next()) {
    const { keyStart, keyEnd, valueStart, valueEnd } = walk;
    yield { keyStart, keyEnd, valueStart, valueEnd };
  }
}

/**
 * Whether the member's key is `name` (ASCII), however it is escaped: `"mod\u0065l"` is `model`.
 */
export function isKey(bytes: Uint8Array, member: Member, name: string): boolean {
  const { keyStart, keyEnd } = member;
  const length = keyEnd - keyStart - 2;
  if (length === name.length) {
    let at = 0;
    while (at < length && bytes[keyStart + 1 + at] === name.charCodeAt(at)) at += 1;
    return at === length;
  }
  // An escape is longer than what it stands for, so only a longer key can still be the same.
  return (
    length > name.length &&
    length <= 6 * name.length &&
    hasEscape(bytes, keyStart, keyEnd) &&
    readString(bytes, keyStart, keyEnd) === name
  );
}

function hasEscape(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && bytes[at] !== BACKSLASH) at += 1;
  return at < end;
}

/** The string whose quoted bytes lie in the range, or null if it is no valid JSON string. */
function readString(bytes: Uint8Array, start: number, end: number): string | null {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()) as string;
  } catch {
    return null;
  }
}

/** The first position from `at` on that is no JSON whitespace; the end if there is none. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && isSpace(bytes[at])) at += 1;
  return at;
}

export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/**
 * The position behind the value that begins at `at`.
 * @throws JsonScanError if the bytes end before the value does, or no value can begin there.
 */
export function skipValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first === QUOTE) return skipString(bytes, at);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(bytes, at);
  const end = skipScalar(bytes, at);
  if (end === at) throw new JsonScanError(at);
  return end;
}

function skipNested(bytes: Uint8Array, at: number): number {
  let depth = 0;
  for (; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = skipString(bytes, at) - 1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth += 1;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  throw new JsonScanError(at);
}

/**
 * Short strings are walked; from a long one on, the C library looks for the next quote, which for a prompt of 1 KB takes 0.05 µs
 * instead of 0.7. A quote behind an odd number of backslashes is escaped, and the walk goes on behind it.
 */
function skipString(bytes: Uint8Array, at: number): number {
  for (at += 1; at < bytes.length;) {
    const walkEnd = Math.min(bytes.length, at + WALKED_BYTES);
    for (; at < walkEnd; at += 1) {
      const byte = bytes[at];
      if (byte === QUOTE) return at + 1;
      if (byte === BACKSLASH) at += 1;
    }
    const quote = Buffer.prototype.indexOf.call(bytes, QUOTE, at);
    if (quote === -1) break;
    let escapes = quote;
    while (escapes > at && bytes[escapes - 1] === BACKSLASH) escapes -= 1;
    if ((quote - escapes) % 2 === 0) return quote + 1;
    at = quote + 1;
  }
  throw new JsonScanError(bytes.length);
}

/** Behind a number or a literal. */
function skipScalar(bytes: Uint8Array, at: number): number {
  while (at < bytes.length) {
    const byte = bytes[at];
    const ends = byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);
    if (ends || byte === QUOTE || byte === COLON || byte === OPEN_BRACE || byte === OPEN_BRACKET) break;
    at += 1;
  }
  return at;
}
