import { isUtf8 } from 'node:buffer';
import { isSpace } from './json-scan.ts';
import { JsonMachine, MAX_DEPTH, mayBeTooDeep } from './json-machine.ts';

/** What became of an answer: bytes fit to stand in a result line, or why they do not. */
export type CheckedAnswer =
  | {
      readonly kind: 'ok';
      readonly body: Uint8Array;
      /** What it parses to, where checking came by it anyway; undefined where it was checked in steps. */
      readonly value: unknown;
    }
  | { readonly kind: 'invalid'; readonly reason: string };

/**
 * Checks an answer that is whole in memory: exactly one JSON value in UTF-8, nested at most `MAX_DEPTH` deep. Its bytes
 * come back unchanged, but for line breaks outside strings, which become spaces, and space around the value, which goes.
 *
 * Node's own parser checks answers that are already one line (all servers we know): 1 to 2 µs per KB. The others go through
 * `AnswerCheck`; both accept the same.
 */
export function checkAnswer(answer: Uint8Array): CheckedAnswer {
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  if (bytes.includes(0x0a) || bytes.includes(0x0d)) return checkInSteps(answer);
  // What nests deeper than the limit is longer than its brackets.
  if (bytes.length > 2 * MAX_DEPTH && mayBeTooDeep(bytes)) return checkInSteps(answer);
  if (!isUtf8(bytes)) return checkInSteps(answer);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    return checkInSteps(answer);
  }
  return { kind: 'ok', body: withoutOuterSpace(answer), value };
}

function checkInSteps(answer: Uint8Array): CheckedAnswer {
  const check = new AnswerCheck();
  const body = check.push(answer);
  const reason = check.finish();
  return reason === null ? { kind: 'ok', body, value: undefined } : { kind: 'invalid', reason };
}

/**
 * Checks an answer as it arrives, in constant memory. What `push` returns may be passed on at once; whether the whole was
 * an answer is known only after `finish`.
 */
export class AnswerCheck {
  readonly #machine = new JsonMachine();

  /** Why the bytes so far cannot become valid, or null. Nothing more needs to be pushed then. */
  get fault(): string | null {
    return this.#machine.fault;
  }

  /**
   * The chunk's share of the answer: a view of it, or a copy where line breaks became spaces. Empty once the answer is
   * known to be invalid.
   */
  push(chunk: Uint8Array): Uint8Array {
    let out = chunk;
    const { from, to } = this.#machine.read(chunk, (at) => {
      if (out === chunk) out = new Uint8Array(chunk);
      out[at] = 0x20;
    });
    return out.subarray(from, to);
  }

  /** Null if the whole was exactly one valid JSON value, else why not. */
  finish(): string | null {
    return this.#machine.finish();
  }
}

function withoutOuterSpace(bytes: Uint8Array): Uint8Array {
  let from = 0;
  let to = bytes.length;
  while (from < to && isSpace(bytes[from])) from += 1;
  while (to > from && isSpace(bytes[to - 1])) to -= 1;
  return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to);
}
