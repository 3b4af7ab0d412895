/** An amount, of bytes or places, that several tasks may hold together. Whoever wants more than is left waits, first come, first served. */
export class Budget {
  readonly #total: number;
  #used = 0;
  readonly #waiting: { amount: number; grant: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
  }

  /** Resolves once `amount` is free. More than the whole budget counts as the whole budget, so it never waits for ever. */
  async take(amount: number): Promise<Disposable> {
    const wanted = Math.min(amount, this.#total);
    if (this.#waiting.length > 0 || this.#used + wanted > this.#total) {
      await new Promise<void>((grant) => this.#waiting.push({ amount: wanted, grant }));
    } else {
      this.#used += wanted;
    }
    return { [Symbol.dispose]: () => this.#give(wanted) };
  }

  #give(amount: number): void {
    this.#used -= amount;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#used + next.amount > this.#total) return;
      this.#used += next.amount;
      this.#waiting.shift();
      next.grant();
    }
  }
}
