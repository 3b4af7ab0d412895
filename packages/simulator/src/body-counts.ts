import { hash } from 'node:crypto';

/** The first 64 bits of the SHA-256 of a body: two different ones of a million bodies share them once in 10⁷ runs. */
export interface Fingerprint {
  readonly high: number;
  readonly low: number;
}

export function fingerprintOf(body: string | Uint8Array): Fingerprint {
  const digest = hash('sha256', body, 'buffer');
  return { high: digest.readUInt32LE(0), low: digest.readUInt32LE(4) };
}

const FIRST_SIZE = 1 << 10;
const MAX_COUNT = 0xffff;

/**
 * How often each distinct body came, and how often it was answered. An open hash table in typed arrays: 12 bytes a place, 16 to 32
 * bytes a body, nothing for the garbage collector to walk. A million bodies take 24 MiB, where a Map would take over 100.
 */
export class BodyCounts {
  #keys = new Uint32Array(2 * FIRST_SIZE);
  /** A place is free while it was received 0 times. */
  #received = new Uint16Array(FIRST_SIZE);
  #answered = new Uint16Array(FIRST_SIZE);
  #distinct = 0;
  #answeredMoreThanOnce = 0;

  /** Different bodies received. */
  get distinct(): number {
    return this.#distinct;
  }

  /** Bodies of which more than one copy was answered completely. */
  get answeredMoreThanOnce(): number {
    return this.#answeredMoreThanOnce;
  }

  /** Counts a body that came in. Answers how often it has come by now, from 1. Counts stop at 65,535. */
  receive(print: Fingerprint): number {
    // Beyond 3/4 full, searches in a table with linear probing get long.
    if (this.#distinct * 4 >= this.#received.length * 3) this.#grow();
    const place = this.#find(print);
    if (this.#received[place] === 0) {
      this.#keys[2 * place] = print.high;
      this.#keys[2 * place + 1] = print.low;
      this.#distinct++;
    }
    if (this.#received[place] < MAX_COUNT) this.#received[place]++;
    return this.#received[place];
  }

  /** Counts a complete answer. A body forgotten meanwhile stays forgotten. */
  answer(print: Fingerprint): void {
    const place = this.#find(print);
    if (this.#received[place] === 0 || this.#answered[place] === MAX_COUNT) return;
    this.#answered[place]++;
    if (this.#answered[place] === 2) this.#answeredMoreThanOnce++;
  }

  counts(print: Fingerprint): { received: number; answered: number } {
    const place = this.#find(print);
    return { received: this.#received[place], answered: this.#answered[place] };
  }

  clear(): void {
    this.#keys = new Uint32Array(2 * FIRST_SIZE);
    this.#received = new Uint16Array(FIRST_SIZE);
    this.#answered = new Uint16Array(FIRST_SIZE);
    this.#distinct = 0;
    this.#answeredMoreThanOnce = 0;
  }

  /** The place of a body, or the free one where it belongs. */
  #find({ high, low }: Fingerprint): number {
    const last = this.#received.length - 1;
    let place = low & last;
    while (
      this.#received[place] !== 0 &&
      (this.#keys[2 * place] !== high || this.#keys[2 * place + 1] !== low)
    ) {
      place = (place + 1) & last;
    }
    return place;
  }

  #grow(): void {
    const [keys, received, answered] = [this.#keys, this.#received, this.#answered];
    const size = 2 * received.length;
    this.#keys = new Uint32Array(2 * size);
    this.#received = new Uint16Array(size);
    this.#answered = new Uint16Array(size);
    for (let old = 0; old < received.length; old++) {
      if (received[old] === 0) continue;
      const print = { high: keys[2 * old], low: keys[2 * old + 1] };
      const place = this.#find(print);
      this.#keys[2 * place] = print.high;
      this.#keys[2 * place + 1] = print.low;
      this.#received[place] = received[old];
      this.#answered[place] = answered[old];
    }
  }
}
