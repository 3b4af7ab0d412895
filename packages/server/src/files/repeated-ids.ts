import { SharedBytes } from './index-memory.ts';
import type { Share } from './index-memory.ts';

/** Ids that are kept as hashes one by one, in 1 MiB. Most files have fewer, and need no filter. */
const EXACT_IDS = 65_536;
/** An id's bits lie in one block, that is in one line of the processor's cache: spread over the whole filter they cost 0.2 µs an id more. */
const BLOCK_BITS = 512;
const BLOCK_WORDS = BLOCK_BITS / 32;
/** Of 4 KiB, which are not asked for of the shared memory. */
const FIRST_SLOTS = 512;

interface FilterSize {
  /** As many are entered before the next filter is opened: it hardly ever takes one for another that is not there. */
  readonly ids: number;
  readonly bytes: number;
  readonly bitsPerId: number;
}

/** Of ten million ids these two suspect none wrongly, measured, and of fourteen million six to nine; the first alone 4,000 of ten million. */
const FILTERS: readonly FilterSize[] = [
  { ids: 1_000_000, bytes: 16 * 2 ** 20, bitsPerId: 7 },
  { ids: Infinity, bytes: 48 * 2 ** 20, bitsPerId: 16 },
];

/**
 * Tells of each string of a row whether it may have come before: never no where it did, hardly ever yes where it did not. Memory is
 * bounded by 17 MiB for the first million and 65 MiB for any number. Where it is shared and others leave too little, any string may have
 * come before from then on.
 */
export class RepeatedIds {
  readonly #memory: Share;
  /** Until there are too many of them. */
  #exact: KeyTable | null = new KeyTable();
  #filters: BlockFilter[] = [];
  #filterBytes = 0;
  #isLost = false;

  constructor(memory: Share = new SharedBytes(Infinity).share()) {
    this.#memory = memory;
  }

  /** Takes the next one. True if it may be there already. */
  add(id: string): boolean {
    if (this.#isLost) return true;
    const [low, high] = hash(id);
    if (this.#exact === null) return this.#addToFilters(low, high);
    if (this.#exact.add(keyOf(low, high))) return true;
    if (this.#exact.size >= EXACT_IDS) this.#moveToFilters(this.#exact);
    else if (this.#exact.isFull) this.#grow(this.#exact);
    return this.#isLost;
  }

  /** Gives their memory back; any string may have come before from now on. */
  drop(): void {
    this.#isLost = true;
    this.#exact = null;
    this.#filters = [];
    this.#memory.resize(0);
  }

  #grow(exact: KeyTable): void {
    this.#hold(2 * exact.bytes);
    if (!this.#isLost) exact.grow();
  }

  #moveToFilters(exact: KeyTable): void {
    this.#exact = null;
    for (const each of exact.keys()) this.#addToFilters(each >>> 0, Math.floor(each / 2 ** 32));
  }

  #addToFilters(low: number, high: number): boolean {
    if (this.#isLost) return true;
    let last = this.#filters.at(-1);
    if (last === undefined || last.isFull) {
      const size = FILTERS[this.#filters.length];
      this.#filterBytes += size.bytes;
      this.#hold(this.#filterBytes);
      if (this.#isLost) return true;
      last = new BlockFilter(size);
      this.#filters.push(last);
    }
    let isThere = false;
    for (const filter of this.#filters) if (filter !== last && filter.has(low, high)) isThere = true;
    return last.add(low, high) || isThere;
  }

  #hold(bytes: number): void {
    if (!this.#memory.resize(bytes)) this.drop();
  }
}

/** Numbers other than 0, in places that follow from their low bits. A `Set` takes five times the memory, on the heap. */
class KeyTable {
  #slots = new Float64Array(FIRST_SLOTS);
  size = 0;

  /** Half of it, so that what is looked for is found within a few steps. */
  get isFull(): boolean {
    return 2 * this.size >= this.#slots.length;
  }

  get bytes(): number {
    return this.#slots.byteLength;
  }

  /** True if it is there already. */
  add(key: number): boolean {
    const slots = this.#slots;
    let at = key >>> 0;
    for (at %= slots.length; slots[at] !== 0; at = (at + 1) % slots.length)
      if (slots[at] === key) return true;
    slots[at] = key;
    this.size += 1;
    return false;
  }

  *keys(): Generator<number, void, undefined> {
    for (const key of this.#slots) if (key !== 0) yield key;
  }

  grow(): void {
    const before = this.#slots;
    this.#slots = new Float64Array(2 * before.length);
    this.size = 0;
    for (const key of before) if (key !== 0) this.add(key);
  }
}

/** A Bloom filter in blocks. */
class BlockFilter {
  readonly #words: Uint32Array;
  readonly #blocks: number;
  readonly #bitsPerId: number;
  #places: number;

  constructor({ ids, bytes, bitsPerId }: FilterSize) {
    this.#words = new Uint32Array(bytes / 4);
    this.#blocks = (bytes * 8) / BLOCK_BITS;
    this.#bitsPerId = bitsPerId;
    this.#places = ids;
  }

  get isFull(): boolean {
    return this.#places === 0;
  }

  has(low: number, high: number): boolean {
    return this.#look(low, high, 0);
  }

  /** Enters it. True if it may have been there. */
  add(low: number, high: number): boolean {
    this.#places -= 1;
    return this.#look(low, high, -1);
  }

  /** `entered` is a mask over the bits that are set. */
  #look(low: number, high: number, entered: number): boolean {
    const words = this.#words;
    const block = (low % this.#blocks) * BLOCK_WORDS;
    // The 53 bits of the key without those that chose the block, of which at least three overlap.
    let mixed = finish(((high & HIGH_MASK) << 11) ^ Math.floor(low / this.#blocks));
    let isThere = true;
    for (let count = 0; count < this.#bitsPerId; count++) {
      const bit = mixed >>> 23;
      const word = block + (bit >>> 5);
      const mask = 1 << (bit & 31);
      if ((words[word] & mask) === 0) isThere = false;
      words[word] |= mask & entered;
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
  return (high & HIGH_MASK) * 2 ** 32 + low || 1;
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
