/** Ids that are kept as hashes one by one; about 3 MiB. Most files have fewer, and need no filter. */
const EXACT_IDS = 65_536;
/**
 * 16 MiB. The bits of an id lie in one block, that is in one line of the processor's cache: spread over the whole filter they cost 0.2 µs
 * an id more.
 */
const FILTER_BITS = 2 ** 27;
const BLOCK_BITS = 512;
const BLOCK_WORDS = BLOCK_BITS / 32;
const BLOCKS = FILTER_BITS / BLOCK_BITS;
const BITS_PER_ID = 7;

/**
 * Tells of each string of a row whether it may have come before: never no where it did, hardly ever yes where it did not. Memory is
 * bounded by 19 MiB, however many come.
 */
export class RepeatedIds {
  #exact: Set<number> | null = new Set();
  #filter: Uint32Array | null = null;

  /** Takes the next one. True if it may be there already. */
  add(id: string): boolean {
    const [low, high] = hash(id);
    if (this.#exact === null) return this.#addToFilter(low, high);
    const key = keyOf(low, high);
    if (this.#exact.has(key)) return true;
    this.#exact.add(key);
    if (this.#exact.size > EXACT_IDS) this.#openFilter(this.#exact);
    return false;
  }

  #openFilter(exact: ReadonlySet<number>): void {
    this.#filter = new Uint32Array(FILTER_BITS / 32);
    this.#exact = null;
    for (const key of exact) this.#addToFilter(key >>> 0, Math.floor(key / 2 ** 32));
  }

  #addToFilter(low: number, high: number): boolean {
    const filter = this.#filter!;
    const block = (low % BLOCKS) * BLOCK_WORDS;
    // The 53 bits of the key without the 18 that chose the block; three of them overlap.
    let mixed = finish(((high & HIGH_MASK) << 11) ^ Math.floor(low / BLOCKS));
    let isThere = true;
    for (let count = 0; count < BITS_PER_ID; count++) {
      const bit = mixed >>> 23;
      const word = block + (bit >>> 5);
      const mask = 1 << (bit & 31);
      if ((filter[word] & mask) === 0) isThere = false;
      filter[word] |= mask;
      mixed = Math.imul(mixed, 0x9e3779b1) + 0x7f4a7c15;
    }
    return isThere;
  }
}

/** A safe integer for each id, the same for the same id: what `RepeatedIds` tells ids apart by. */
export function idKeyOf(id: string): number {
  return keyOf(...hash(id));
}

/** 21 bits: together with the low 32 they are a safe integer. */
const HIGH_MASK = 0x1f_ffff;

function keyOf(low: number, high: number): number {
  return (high & HIGH_MASK) * 2 ** 32 + low;
}

/** Two multiplicative hashes over UTF-16 units, finished as in MurmurHash3, so that counted ids (`request-1`, `request-2`) spread. */
function hash(id: string): [low: number, high: number] {
  let low = 0x811c9dc5;
  let high = 0xdeadbeef;
  for (let at = 0; at < id.length; at++) {
    const unit = id.charCodeAt(at);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x85ebca6b) ^ (high >>> 13);
  }
  return [finish(low), finish(high)];
}

function finish(hashed: number): number {
  let mixed = hashed ^ (hashed >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
