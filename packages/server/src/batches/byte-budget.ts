/** Bytes that several tasks may hold together. Whoever wants more than is left waits, first come, first served. */
export class ByteBudget {
  readonly #total: number;
  #used = 0;
  readonly #waiting: { bytes: number; grant: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
  }

  /** Resolves once `bytes` are free. More than the whole budget counts as the whole budget, so it never waits for ever. */
  async take(bytes: number): Promise<Disposable> {
    const wanted = Math.min(bytes, this.#total);
    if (this.#waiting.length > 0 || this.#used + wanted > this.#total) {
      await new Promise<void>((grant) => this.#waiting.push({ bytes: wanted, grant }));
    } else {
      this.#used += wanted;
    }
    return { [Symbol.dispose]: () => this.#give(wanted) };
  }

  #give(bytes: number): void {
    this.#used -= bytes;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#used + next.bytes > this.#total) return;
      this.#used += next.bytes;
      this.#waiting.shift();
      next.grant();
    }
  }
}
