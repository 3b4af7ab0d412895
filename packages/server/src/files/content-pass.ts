import { createHash } from 'node:crypto';
import { LineSplitter } from '../bytes/line-splitter.ts';
import type { IndexMemory } from './index-memory.ts';
import { LineIndexer } from './line-index.ts';
import type { LineIndex } from './line-index.ts';

/**
 * What an upload's content is read for, besides its MD5: `requests` makes the line index, `lines` counts the lines that
 * are not blank, `bytes` looks at nothing.
 */
export type PassKind = 'requests' | 'lines' | 'bytes';

export interface PassResult {
  /** Lower-case hex. */
  readonly md5: string;
  /** Lines that are not blank; 0 for `bytes`. */
  readonly lines: number;
  /** Null but for `requests`. */
  readonly index: LineIndex | null;
}

/** Enough to see that a line is not blank: a longer one counts as not blank, which is what matters here. */
const COUNTED_LINE_BYTES = 64 * 1024;

/** The one pass over an upload's content. Runs where it is called: see `IndexThread` for where that is. */
export class ContentPass {
  readonly #md5 = createHash('md5');
  readonly #indexer: LineIndexer | null;
  readonly #counted: LineSplitter | null;
  #lines = 0;

  constructor(kind: PassKind, maxLineBytes?: number, memory?: IndexMemory) {
    this.#indexer = kind === 'requests' ? new LineIndexer(maxLineBytes, memory) : null;
    this.#counted = kind === 'lines' ? new LineSplitter({ maxLineBytes: COUNTED_LINE_BYTES }) : null;
  }

  push(chunk: Uint8Array): void {
    this.#md5.update(chunk);
    this.#indexer?.push(chunk);
    if (this.#counted !== null) this.#count(this.#counted.push(chunk));
  }

  /** As `LineIndexer.takeCuts`. */
  takeCuts(): Uint8Array<ArrayBuffer> | null {
    return this.#indexer?.takeCuts() ?? null;
  }

  /** Gives up what it shares with others. Idempotent. */
  drop(): void {
    this.#indexer?.drop();
  }

  finish(): PassResult {
    if (this.#counted !== null) this.#count(this.#counted.finish());
    const index = this.#indexer?.finish() ?? null;
    return { md5: this.#md5.digest('hex'), lines: index?.summary.requests ?? this.#lines, index };
  }

  #count(lines: Iterable<{ readonly isBlank: boolean }>): void {
    for (const { isBlank } of lines) if (!isBlank) this.#lines += 1;
  }
}
