import { isSpace } from './json-scan.ts';

/**
 * The deepest nesting that is accepted. It makes the machine's memory constant, and it is what common readers of result
 * lines stop at themselves (Python's json at its recursion limit of 1,000, Jackson at 1,000): a deeper answer could be
 * written but not read.
 */
export const MAX_DEPTH = 1_000;

const START = 0;
const VALUE = 1;
const VALUE_OR_CLOSE = 2;
const KEY = 3;
const KEY_OR_CLOSE = 4;
const COLON = 5;
const COMMA_OR_CLOSE = 6;
const STRING = 7;
const ESCAPE = 8;
const HEX = 9;
const CONTINUATION = 10;
const LITERAL = 11;
const MINUS = 12;
const ZERO = 13;
const INTEGER = 14;
const POINT = 15;
const FRACTION = 16;
const EXPONENT = 17;
const EXPONENT_SIGN = 18;
const EXPONENT_DIGITS = 19;
const END = 20;
const FAULT = 21;

const IN_ARRAY = 0;
const IN_OBJECT = 1;

const LITERALS: Readonly<Record<number, string>> = { 0x74: 'true', 0x66: 'false', 0x6e: 'null' };
/** `"`, `\`, `/`, b, f, n, r, t. */
const SIMPLE_ESCAPES = Buffer.from('"\\/bfnrt');

/**
 * Decides byte by byte whether what passes is one JSON value in UTF-8, exactly as `JSON.parse` after a strict decode
 * would, but for the depth. States are those of the grammar; the only memory is which bracket each level opened.
 *
 * Measured (Node 24, one core): 400 MB/s for text, 130 MB/s for arrays of numbers.
 */
export class JsonMachine {
  #state = START;
  readonly #levels = new Uint8Array(MAX_DEPTH);
  #depth = 0;
  /** Whether the current string is a key. */
  #isKey = false;
  #hexDigitsLeft = 0;
  #literal = '';
  #literalAt = 0;
  /** Of the current code point: bytes still to come, and the bounds of the next one. */
  #continuationsLeft = 0;
  #low = 0;
  #high = 0;
  #offset = 0;
  #fault: string | null = null;

  /** Why what passed cannot become valid any more, or null. */
  get fault(): string | null {
    return this.#fault;
  }

  /**
   * Reads on. Calls back for each line break outside strings, and answers which part of the chunk belongs to the value
   * (space before and behind it does not); nothing does once there is a fault.
   */
  read(chunk: Uint8Array, onLineBreak: (at: number) => void): { from: number; to: number } {
    let at = 0;
    if (this.#state === START) while (at < chunk.length && isSpace(chunk[at])) at += 1;
    const from = at;
    for (; at < chunk.length; at += 1) {
      if (this.#state === STRING) at = skipPlain(chunk, at);
      if (at === chunk.length) break;
      const byte = chunk[at];
      this.#step(byte);
      if (this.#state === FAULT) {
        this.#fault ??= `byte ${this.#offset + at} is not valid there`;
        return { from: 0, to: 0 };
      }
      if (byte === 0x0a || byte === 0x0d) onLineBreak(at);
    }
    this.#offset += chunk.length;

    let to = chunk.length;
    if (this.#state === END) while (to > from && isSpace(chunk[to - 1])) to -= 1;
    return { from, to };
  }

  /** Null if the bytes were one whole value, else why not. */
  finish(): string | null {
    if (this.#fault !== null) return this.#fault;
    if (this.#state === START) return 'there is no value';
    const isWhole = this.#state === END || (this.#depth === 0 && isWholeNumber(this.#state));
    return isWhole ? null : `it ends after ${this.#offset} bytes, before the value does`;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case STRING:
        return this.#inString(byte);
      case ESCAPE:
        if (byte === 0x75) this.#expectHex();
        else this.#state = SIMPLE_ESCAPES.includes(byte) ? STRING : FAULT;
        return;
      case HEX:
        this.#hexDigitsLeft -= 1;
        if (!isHex(byte)) this.#state = FAULT;
        else if (this.#hexDigitsLeft === 0) this.#state = STRING;
        return;
      case CONTINUATION:
        return this.#inCodePoint(byte);
      case LITERAL:
        if (byte !== this.#literal.charCodeAt(this.#literalAt)) this.#state = FAULT;
        else if (++this.#literalAt === this.#literal.length) this.#endValue();
        return;
      case MINUS:
      case ZERO:
      case INTEGER:
      case POINT:
      case FRACTION:
      case EXPONENT:
      case EXPONENT_SIGN:
      case EXPONENT_DIGITS:
        return this.#inNumber(byte);
      default:
        if (!isSpace(byte)) this.#betweenTokens(byte);
    }
  }

  #betweenTokens(byte: number): void {
    switch (this.#state) {
      case START:
      case VALUE:
        return this.#beginValue(byte);
      case VALUE_OR_CLOSE:
        return byte === 0x5d ? this.#close(IN_ARRAY) : this.#beginValue(byte);
      case KEY:
        return this.#beginKey(byte);
      case KEY_OR_CLOSE:
        return byte === 0x7d ? this.#close(IN_OBJECT) : this.#beginKey(byte);
      case COLON:
        this.#state = byte === 0x3a ? VALUE : FAULT;
        return;
      case COMMA_OR_CLOSE:
        if (byte === 0x2c) this.#state = this.#levels[this.#depth - 1] === IN_OBJECT ? KEY : VALUE;
        else if (byte === 0x7d) this.#close(IN_OBJECT);
        else if (byte === 0x5d) this.#close(IN_ARRAY);
        else this.#state = FAULT;
        return;
      default:
        this.#state = FAULT;
    }
  }

  #beginValue(byte: number): void {
    if (byte === 0x22) {
      this.#isKey = false;
      this.#state = STRING;
    } else if (byte === 0x7b) {
      this.#open(IN_OBJECT, KEY_OR_CLOSE);
    } else if (byte === 0x5b) {
      this.#open(IN_ARRAY, VALUE_OR_CLOSE);
    } else if (byte === 0x2d) {
      this.#state = MINUS;
    } else if (isDigit(byte)) {
      this.#state = byte === 0x30 ? ZERO : INTEGER;
    } else if (LITERALS[byte] !== undefined) {
      this.#literal = LITERALS[byte];
      this.#literalAt = 1;
      this.#state = LITERAL;
    } else {
      this.#state = FAULT;
    }
  }

  #beginKey(byte: number): void {
    this.#isKey = true;
    this.#state = byte === 0x22 ? STRING : FAULT;
  }

  #open(kind: number, next: number): void {
    if (this.#depth === MAX_DEPTH) {
      this.#fault = `it nests deeper than ${MAX_DEPTH} levels`;
      this.#state = FAULT;
      return;
    }
    this.#levels[this.#depth] = kind;
    this.#depth += 1;
    this.#state = next;
  }

  #close(kind: number): void {
    if (this.#levels[this.#depth - 1] !== kind) {
      this.#state = FAULT;
      return;
    }
    this.#depth -= 1;
    this.#endValue();
  }

  #endValue(): void {
    this.#state = this.#depth === 0 ? END : COMMA_OR_CLOSE;
  }

  #inString(byte: number): void {
    if (byte === 0x22) {
      if (this.#isKey) this.#state = COLON;
      else this.#endValue();
    } else if (byte === 0x5c) {
      this.#state = ESCAPE;
    } else if (byte < 0x20) {
      this.#state = FAULT;
    } else if (byte >= 0x80) {
      this.#beginCodePoint(byte);
    }
  }

  #expectHex(): void {
    this.#hexDigitsLeft = 4;
    this.#state = HEX;
  }

  /** Unicode 16, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. */
  #beginCodePoint(lead: number): void {
    this.#low = 0x80;
    this.#high = 0xbf;
    this.#state = CONTINUATION;
    if (lead >= 0xc2 && lead <= 0xdf) {
      this.#continuationsLeft = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      this.#continuationsLeft = 2;
      if (lead === 0xe0) this.#low = 0xa0;
      if (lead === 0xed) this.#high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      this.#continuationsLeft = 3;
      if (lead === 0xf0) this.#low = 0x90;
      if (lead === 0xf4) this.#high = 0x8f;
    } else {
      this.#state = FAULT;
    }
  }

  #inCodePoint(byte: number): void {
    if (byte < this.#low || byte > this.#high) {
      this.#state = FAULT;
      return;
    }
    this.#low = 0x80;
    this.#high = 0xbf;
    this.#continuationsLeft -= 1;
    if (this.#continuationsLeft === 0) this.#state = STRING;
  }

  #inNumber(byte: number): void {
    const state = this.#state;
    if (isDigit(byte)) {
      if (state === MINUS) this.#state = byte === 0x30 ? ZERO : INTEGER;
      else if (state === ZERO) this.#state = FAULT;
      else if (state === POINT) this.#state = FRACTION;
      else if (state === EXPONENT || state === EXPONENT_SIGN) this.#state = EXPONENT_DIGITS;
    } else if (byte === 0x2e && (state === ZERO || state === INTEGER)) {
      this.#state = POINT;
    } else if ((byte === 0x65 || byte === 0x45) && isWholeNumber(state) && state !== EXPONENT_DIGITS) {
      this.#state = EXPONENT;
    } else if ((byte === 0x2b || byte === 0x2d) && state === EXPONENT) {
      this.#state = EXPONENT_SIGN;
    } else if (isWholeNumber(state)) {
      this.#endValue();
      if (!isSpace(byte)) this.#betweenTokens(byte);
    } else {
      this.#state = FAULT;
    }
  }
}

/** Whether the bytes hold brackets enough to nest deeper than `MAX_DEPTH`; quick, so that few need a closer look. */
export function mayBeTooDeep(bytes: Uint8Array): boolean {
  let opened = 0;
  for (const byte of bytes) if (byte === 0x5b || byte === 0x7b) opened += 1;
  return opened > MAX_DEPTH;
}

/** The first byte from `at` on that means something inside a string. */
function skipPlain(chunk: Uint8Array, at: number): number {
  for (; at < chunk.length; at += 1) {
    const byte = chunk[at];
    if (byte < 0x20 || byte >= 0x80 || byte === 0x22 || byte === 0x5c) break;
  }
  return at;
}

function isWholeNumber(state: number): boolean {
  return state === ZERO || state === INTEGER || state === FRACTION || state === EXPONENT_DIGITS;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}
