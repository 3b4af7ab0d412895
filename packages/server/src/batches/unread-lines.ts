import { ordinalOfLine } from './lines/line-format.ts';

/** Enough of a line to know its ordinal, which ends its id, with which it begins. */
export const HEAD_BYTES = 128;
const LINE_BREAK = 0x0a;
const NOTHING = Buffer.alloc(0);

/** The ordinal of the result line that begins so. */
export function ordinalOfHead(head: Uint8Array): number {
  const text = viewOf(head).toString('latin1', 0, HEAD_BYTES);
  const ordinal = ordinalOfLine(text);
  if (ordinal === Infinity)
    throw new Error(`A result line begins with ${JSON.stringify(text)}, not with an id of ours.`);
  return ordinal;
}

/**
 * Of result lines in input order it passes those on that a reader has not had, as they come and without holding a line. So a reader can begin
 * anywhere in a shard's parts, or in a result file, and has no line twice.
 */
export class UnreadLines {
  /** Lines of smaller ordinals are behind the reader. */
  next = 0;
  /** The beginning of a line, too little to tell its ordinal. */
  #head: Buffer = NOTHING;
  /** Whether the line in which the last chunk ended is passed on; null at the beginning of a line. */
  #passes: boolean | null = null;

  *push(chunk: Uint8Array): Generator<Uint8Array> {
    const bytes = this.#head.length === 0 ? viewOf(chunk) : Buffer.concat([this.#head, chunk]);
    this.#head = NOTHING;
    let from = 0;
    let at = 0;
    while (at < bytes.length) {
      const lineBreak = bytes.indexOf(LINE_BREAK, at);
      const end = lineBreak < 0 ? bytes.length : lineBreak + 1;
      if (this.#passes === null && lineBreak < 0 && end - at < HEAD_BYTES) {
        this.#head = bytes.subarray(at);
        break;
      }
      this.#passes ??= this.#isUnread(bytes.subarray(at, end));
      if (!this.#passes) {
        if (at > from) yield bytes.subarray(from, at);
        from = end;
      }
      if (lineBreak >= 0) this.#passes = null;
      at = end;
    }
    if (at > from) yield bytes.subarray(from, at);
  }

  #isUnread(line: Uint8Array): boolean {
    const ordinal = ordinalOfHead(line);
    if (ordinal < this.next) return false;
    this.next = ordinal + 1;
    return true;
  }
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
