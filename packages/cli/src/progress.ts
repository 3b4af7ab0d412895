import { clipped, countText, durationText, rateText } from './human-text.ts';

export interface ProgressView {
  readonly done: number;
  readonly failed: number;
  /** 0 while unknown. */
  readonly total: number;
  /** What is happening, in a word or two: `running`, `planning`. */
  readonly state: string;
  /** Why something waits; empty if nothing does. */
  readonly waiting: readonly string[];
}

export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Between two lines where there is no terminal: seldom enough for a log, often enough to see that it lives. */
const PLAIN_EVERY_MS = 5_000;
/** The rate is that of the last seconds, so that it follows a server that slows down or wakes up. */
const RATE_WINDOW_MS = 10_000;
const BAR_WIDTH = 24;
const CLEAR_LINE = '\r\u001B[2K';

/**
 * Shows how a job goes on: on a terminal one line that is drawn anew, elsewhere a plain line every few seconds. It draws when it is told
 * of a view and has no timer of its own.
 */
export class Progress {
  readonly #stream: ProgressStream;
  readonly #elapsed: () => number;
  readonly #samples: { at: number; done: number }[] = [];
  #lastPlain = -Infinity;
  #lastText = '';
  /** Shown, but not written yet where there is no terminal. */
  #heldText = '';

  /** `elapsed` gives monotonic milliseconds. */
  constructor(stream: ProgressStream, elapsed: () => number) {
    this.#stream = stream;
    this.#elapsed = elapsed;
  }

  show(view: ProgressView): void {
    this.#sample(view.done);
    const text = progressText(view, this.#rate());
    if (this.#stream.isTTY) {
      this.#stream.write(CLEAR_LINE + clipped(text, (this.#stream.columns ?? 80) - 1));
      return;
    }
    this.#heldText = text;
    if (this.#elapsed() - this.#lastPlain >= PLAIN_EVERY_MS) this.#writePlain();
  }

  /** Takes the line away, so that ordinary output can follow; elsewhere writes how it stood at last. */
  clear(): void {
    if (this.#stream.isTTY) this.#stream.write(CLEAR_LINE);
    else this.#writePlain();
  }

  #writePlain(): void {
    if (this.#heldText === this.#lastText) return;
    this.#lastPlain = this.#elapsed();
    this.#lastText = this.#heldText;
    this.#stream.write(`${this.#heldText}\n`);
  }

  #sample(done: number): void {
    const at = this.#elapsed();
    this.#samples.push({ at, done });
    // One sample older than the window stays, so that the window is always covered.
    while (this.#samples.length > 2 && this.#samples[1].at <= at - RATE_WINDOW_MS) this.#samples.shift();
  }

  /** Requests per second over the window; null while nothing can be said. */
  #rate(): number | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1) ?? first;
    const ms = last.at - first.at;
    return ms <= 0 || last.done <= first.done ? null : ((last.done - first.done) * 1000) / ms;
  }
}

function progressText(view: ProgressView, rate: number | null): string {
  if (view.total === 0) return [view.state, ...waitingText(view.waiting)].join('  ');
  const share = Math.min(1, view.done / view.total);
  const filled = Math.floor(share * BAR_WIDTH);
  const parts = [
    '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled),
    `${Math.floor(share * 100)} %`.padStart(5),
    `${countText(view.done)} / ${countText(view.total)}`,
  ];
  if (rate !== null) {
    parts.push(rateText(rate));
    if (view.done < view.total)
      parts.push(`ETA ${durationText(Math.ceil((view.total - view.done) / rate) * 1000)}`);
  }
  if (view.failed > 0) parts.push(`${countText(view.failed)} failed`);
  if (view.state !== 'running') parts.push(view.state);
  return [...parts, ...waitingText(view.waiting)].join('  ');
}

function waitingText(waiting: readonly string[]): string[] {
  if (waiting.length === 0) return [];
  const more = waiting.length > 1 ? ` (and ${waiting.length - 1} more)` : '';
  return [`waiting: ${waiting[0]}${more}`];
}
