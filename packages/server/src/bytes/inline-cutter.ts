import { ByteBuilder } from './byte-builder.ts';
import { isSpace } from './json-scan.ts';
import { MAX_LINE_BYTES } from './line-splitter.ts';

/** The members of a create call besides `requests`, together: 1 MiB. */
const MAX_MEMBER_BYTES = 1024 * 1024;
/** A builder up to this size is used for the next element. */
const KEPT_BYTES = 64 * 1024;

/** The body of a create call is not what it must be. */
export class CreateBodyError extends Error {
  override readonly name = 'CreateBodyError';
  /** Whose fault it is: the text as JSON, the member `requests` (or its element `index`), or a limit. */
  readonly fault: 'json' | 'requests' | 'too-large';
  /** Zero-based place in `requests`, if it is about one element. */
  readonly index: number | null;

  constructor(fault: CreateBodyError['fault'], message: string, index: number | null = null) {
    super(message);
    this.fault = fault;
    this.index = index;
  }
}

export interface CutBody {
  /** The other members, as JSON.parse gives them. */
  readonly members: Readonly<Record<string, unknown>>;
  /** Elements of `requests`; null if it was absent or `null`. */
  readonly requests: number | null;
}

const OBJECT = 0;
const FIRST_KEY = 1;
const NEXT_KEY = 2;
const KEY = 3;
const COLON = 4;
const VALUE = 5;
const IN_VALUE = 6;
const IN_SCALAR = 7;
const AFTER_VALUE = 8;
const FIRST_ELEMENT = 9;
const NEXT_ELEMENT = 10;
const IN_ELEMENT = 11;
const AFTER_ELEMENT = 12;
const IN_SCALAR_ELEMENT = 13;
const END = 14;

const COMMA_BYTES = Buffer.from(',');
const COLON_BYTES = Buffer.from(':');
const SPACE_BYTES = Buffer.from(' ');
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Cuts the elements of the top-level array `requests` out of a create call's body as it streams by, byte for byte but for
 * line breaks outside strings, which become spaces: each can stand in a JSONL file as it is. The other members are
 * collected and parsed at the end. Memory: one element (16 MiB at most) and the other members (1 MiB at most).
 *
 * Elements are cut by structure; whether one is valid JSON and UTF-8 shows when it is read as a line. Of a body that
 * `JSON.parse` refuses, either the cutter throws or such an element is bad.
 */
export class InlineCutter {
  #state = OBJECT;
  #offset = 0;
  readonly #members = new ByteBuilder(MAX_MEMBER_BYTES);
  #memberStart = 0;
  #element: ByteBuilder;
  readonly #maxElementBytes: number;
  #requests: number | null = null;
  #isRequests = false;
  #sawRequests = false;
  /** Within the current key or value. */
  #depth = 0;
  #inString = false;
  #isEscaped = false;

  constructor(maxElementBytes = MAX_LINE_BYTES) {
    this.#maxElementBytes = maxElementBytes;
    this.#element = new ByteBuilder(maxElementBytes);
  }

  /** Bytes of the element and the members so far. */
  get heldBytes(): number {
    return this.#element.length + this.#members.length;
  }

  /**
   * The elements that end in `chunk`, in order. Must be read to its end before the next call.
   * @throws CreateBodyError
   */
  *push(chunk: Uint8Array): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === KEY || this.#state === IN_VALUE) {
        at = this.#readNested(chunk, at, this.#members);
        if (this.#isOpen()) break;
        if (this.#state === KEY) this.#endKey();
        else this.#state = AFTER_VALUE;
      } else if (this.#state === IN_ELEMENT) {
        at = this.#readNested(chunk, at, this.#element);
        if (this.#isOpen()) break;
        yield this.#endElement();
      } else if (this.#state === IN_SCALAR) {
        at = this.#readScalar(chunk, at, this.#members);
        if (at < chunk.length) this.#state = AFTER_VALUE;
      } else if (this.#state === IN_SCALAR_ELEMENT) {
        at = this.#readScalar(chunk, at, this.#element);
        if (at < chunk.length) yield this.#endElement();
      } else {
        if (!isSpace(chunk[at])) this.#step(chunk, at);
        // A key, value or element begins at this byte, which its reader has to see.
        if (!this.#begins()) at += 1;
      }
    }
    this.#offset += chunk.length;
  }

  /** @throws CreateBodyError */
  finish(): CutBody {
    if (this.#state !== END) {
      throw new CreateBodyError(
        'json',
        `The body is not valid JSON: it ends after ${this.#offset} bytes, too early.`,
      );
    }
    const members = this.#parseMembers();
    if (Object.hasOwn(members, 'requests')) {
      if (members['requests'] !== null)
        throw new CreateBodyError('requests', '"requests" must be an array or null.');
      delete members['requests'];
    }
    return { members, requests: this.#requests };
  }

  #parseMembers(): Record<string, unknown> {
    let text: string;
    try {
      text = UTF8.decode(this.#members.copy());
    } catch {
      throw new CreateBodyError('json', 'The body is not valid UTF-8.');
    }
    try {
      return JSON.parse(`{${text}}`) as Record<string, unknown>;
    } catch {
      throw new CreateBodyError('json', 'The body is not valid JSON.');
    }
  }

  /** One byte between keys, values and elements. */
  #step(chunk: Uint8Array, at: number): void {
    const byte = chunk[at];
    switch (this.#state) {
      case OBJECT:
        return this.#expect(byte === 0x7b, FIRST_KEY, at);
      case FIRST_KEY:
        if (byte === 0x7d) this.#state = END;
        else this.#beginKey(byte, at);
        return;
      case NEXT_KEY:
        return this.#beginKey(byte, at);
      case COLON:
        return this.#expect(byte === 0x3a, VALUE, at);
      case VALUE:
        return this.#beginValue(byte, at);
      case AFTER_VALUE:
        return this.#expect(byte === 0x2c || byte === 0x7d, byte === 0x2c ? NEXT_KEY : END, at);
      case FIRST_ELEMENT:
        if (byte === 0x5d) this.#state = AFTER_VALUE;
        else this.#beginElement(byte, at);
        return;
      case NEXT_ELEMENT:
        return this.#beginElement(byte, at);
      case AFTER_ELEMENT:
        return this.#expect(byte === 0x2c || byte === 0x5d, byte === 0x2c ? NEXT_ELEMENT : AFTER_VALUE, at);
      default:
        this.#fail(at);
    }
  }

  #begins(): boolean {
    return (
      this.#depth === 0 &&
      !this.#inString &&
      (this.#state === KEY ||
        this.#state === IN_VALUE ||
        this.#state === IN_SCALAR ||
        this.#state === IN_ELEMENT ||
        this.#state === IN_SCALAR_ELEMENT)
    );
  }

  #beginKey(byte: number, at: number): void {
    this.#expect(byte === 0x22, KEY, at);
    this.#memberStart = this.#members.length;
    if (this.#memberStart > 0) this.#append(this.#members, COMMA_BYTES, 0, 1);
  }

  #endKey(): void {
    const key = this.#members.copy(this.#memberStart === 0 ? 0 : this.#memberStart + 1);
    this.#isRequests = isRequestsKey(key);
    if (this.#isRequests && this.#sawRequests) {
      throw new CreateBodyError(
        'requests',
        'The body has "requests" twice. Send one array with all requests.',
      );
    }
    this.#sawRequests ||= this.#isRequests;
    this.#state = COLON;
  }

  #beginValue(byte: number, at: number): void {
    if (this.#isRequests && byte === 0x5b) {
      this.#members.truncate(this.#memberStart);
      this.#requests = 0;
      this.#state = FIRST_ELEMENT;
      return;
    }
    this.#append(this.#members, COLON_BYTES, 0, 1);
    this.#state = this.#isNested(byte, at) ? IN_VALUE : IN_SCALAR;
  }

  /** What is no object is cut like one that is: the reader of lines says what is wrong with it, and so with each of them. */
  #beginElement(byte: number, at: number): void {
    this.#state = this.#isNested(byte, at) ? IN_ELEMENT : IN_SCALAR_ELEMENT;
  }

  #endElement(): Uint8Array<ArrayBuffer> {
    const element = this.#takeElement();
    this.#requests! += 1;
    this.#state = AFTER_ELEMENT;
    return element;
  }

  /** A large one is no copy: the builder, which would keep its size for the rest of the call, is given away. */
  #takeElement(): Uint8Array<ArrayBuffer> {
    const element = this.#element;
    if (element.length <= KEPT_BYTES) {
      const copy = element.copy();
      element.truncate(0);
      return copy;
    }
    this.#element = new ByteBuilder(this.#maxElementBytes);
    return element.take();
  }

  #isNested(byte: number, at: number): boolean {
    const isNested = byte === 0x7b || byte === 0x5b || byte === 0x22;
    if (!isNested && isScalarEnd(byte)) this.#fail(at);
    return isNested;
  }

  #expect(isExpected: boolean, next: number, at: number): void {
    if (!isExpected) this.#fail(at);
    this.#state = next;
  }

  #fail(at: number): never {
    throw new CreateBodyError('json', `The body is not valid JSON: unexpected byte at ${this.#offset + at}.`);
  }

  #isOpen(): boolean {
    return this.#depth > 0 || this.#inString;
  }

  /** Copies up to the end of the string, object or array, or of the chunk; `#isOpen` tells which. */
  #readNested(chunk: Uint8Array, at: number, into: ByteBuilder): number {
    let from = at;
    for (; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === 0x5c) this.#isEscaped = true;
        else if (byte === 0x22) this.#inString = false;
      } else if (byte === 0x22) {
        this.#inString = true;
      } else if (byte === 0x7b || byte === 0x5b) {
        this.#depth += 1;
      } else if (byte === 0x7d || byte === 0x5d) {
        this.#depth -= 1;
      } else if (byte === 0x0a || byte === 0x0d) {
        this.#append(into, chunk, from, at);
        this.#append(into, SPACE_BYTES, 0, 1);
        from = at + 1;
      }
      if (this.#depth === 0 && !this.#inString) {
        at += 1;
        break;
      }
    }
    this.#append(into, chunk, from, at);
    return at;
  }

  /** Copies up to the end of a number or a word, which may be behind the chunk. */
  #readScalar(chunk: Uint8Array, at: number, into: ByteBuilder): number {
    const from = at;
    while (at < chunk.length && !isScalarEnd(chunk[at])) at += 1;
    this.#append(into, chunk, from, at);
    return at;
  }

  #append(into: ByteBuilder, source: Uint8Array, from: number, to: number): void {
    if (into.append(source, from, to)) return;
    if (into === this.#element) {
      const limit = `${this.#maxElementBytes} bytes`;
      throw new CreateBodyError(
        'too-large',
        `The request is larger than ${limit}. Refer to large content by URL or file id instead.`,
        this.#requests,
      );
    }
    throw new CreateBodyError(
      'too-large',
      `The members besides "requests" are larger than ${MAX_MEMBER_BYTES} bytes.`,
    );
  }
}

function isRequestsKey(token: Uint8Array): boolean {
  try {
    return JSON.parse(UTF8.decode(token)) === 'requests';
  } catch {
    return false;
  }
}

function isScalarEnd(byte: number): boolean {
  return isSpace(byte) || byte === 0x2c || byte === 0x7d || byte === 0x5d || byte === 0x5b || byte === 0x7b;
}
