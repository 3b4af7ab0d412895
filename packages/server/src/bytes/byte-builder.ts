/** Bytes that grow up to a limit. Kept and cleared rather than made anew, so a stream of values costs one allocation. */
export class ByteBuilder {
  readonly #limit: number;
  #bytes: Buffer<ArrayBuffer>;
  #length = 0;

  /** `capacity` is allocated at once; what is expected, if that is known. */
  constructor(limit: number, capacity = 4096) {
    this.#limit = limit;
    this.#bytes = Buffer.allocUnsafe(Math.min(capacity, limit));
  }

  get length(): number {
    return this.#length;
  }

  /** Appends a range of `source`. False, and nothing is appended, if that would pass the limit. */
  append(source: Uint8Array, from: number, to: number): boolean {
    const length = this.#length + to - from;
    if (length > this.#limit) return false;
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(length, 2 * this.#bytes.length)));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    this.#bytes.set(from === 0 && to === source.length ? source : source.subarray(from, to), this.#length);
    this.#length = length;
    return true;
  }

  appendAll(source: Uint8Array): boolean {
    return this.append(source, 0, source.length);
  }

  /** A copy of the bytes from `from` on. */
  copy(from = 0): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes.subarray(from, this.#length));
  }

  /** The bytes themselves; the builder must not be used any more. */
  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets all but the first `length` bytes. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }
}
