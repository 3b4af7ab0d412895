/** What a power cut does to what was not synced: gone, there after all, or anything in between. */
export type Unsynced = 'dropped' | 'kept' | 'torn';

interface Piece {
  readonly bytes: Uint8Array;
  /** `lost`: a sync of these bytes failed. Readers still see them, no later sync makes them durable. */
  state: 'dirty' | 'durable' | 'lost';
}

/** The bytes of a file that only grows, with what the platter holds of them. */
export class SimulatedFile {
  #pieces: Piece[] = [];

  append(bytes: Uint8Array): void {
    this.#pieces.push({ bytes, state: 'dirty' });
  }

  content(): Uint8Array {
    return Buffer.concat(this.#pieces.map(({ bytes }) => bytes));
  }

  size(): number {
    return this.#pieces.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }

  sync(): void {
    this.#settle('durable');
  }

  failSync(): void {
    this.#settle('lost');
  }

  /** Durable bytes stay where they are; what is missing before them reads as zeros, what is missing behind them is cut off. */
  crash(unsynced: Unsynced, random: () => number): void {
    if (unsynced === 'kept') this.sync();
    const durable = this.#pieces.findLastIndex(({ state }) => state === 'durable') + 1;
    const platter = this.#pieces
      .slice(0, durable)
      .map(({ bytes, state }) => (state === 'durable' ? bytes : new Uint8Array(bytes.byteLength)));
    const torn = this.#pieces.find(({ state }) => state === 'dirty');
    if (unsynced === 'torn' && torn !== undefined) platter.push(tear(torn.bytes, random));
    this.#pieces = platter.map((bytes) => ({ bytes, state: 'durable' }));
  }

  #settle(state: 'durable' | 'lost'): void {
    for (const piece of this.#pieces) {
      if (piece.state === 'dirty') piece.state = state;
    }
  }
}

/** The first bytes of a write that power interrupted; the rest is missing, or zeros if the new size got there first. */
function tear(bytes: Uint8Array, random: () => number): Uint8Array {
  const written = bytes.slice(0, Math.floor(random() * bytes.byteLength));
  if (random() < 0.5) return written;
  const padded = new Uint8Array(bytes.byteLength);
  padded.set(written);
  return padded;
}
