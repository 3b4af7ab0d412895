import assert from 'node:assert/strict';
import type { BlobRef } from '@bora/server/storage/ports/blobs';
import { FIRST_PLACE, type ResultPlace } from '@bora/server/storage/ports/result-pages';
import type { ResultPart } from '@bora/server/storage/ports/shard-queue';
import type { DatabaseWorld } from './database-world.ts';

/** One journaled line. */
const PAGE_BYTES = 4;

/** Reads the results of a batch page by page, as far as its lines are ordinals in inline blobs, and holds the pages to what they promise. */
export class PageReader {
  readonly kind: ResultPart['kind'];
  readonly batchId: string;
  /** What it must come to have, since it was there before. */
  readonly #atStart: readonly number[];
  readonly #ordinals: number[] = [];
  #from: ResultPlace = FIRST_PLACE;
  #isAtEnd = false;

  constructor(batchId: string, kind: ResultPart['kind'], atStart: readonly number[]) {
    this.batchId = batchId;
    this.kind = kind;
    this.#atStart = atStart;
  }

  /** One page, if there is one: it goes on where it is though it had caught up. */
  async read({ database, workspaceId }: DatabaseWorld): Promise<void> {
    if (this.#isAtEnd) return;
    const { kind, batchId } = this;
    const from = { ...this.#from, ordinal: this.#next };
    const page = await database.readResults(workspaceId, batchId, { kind, from, mostBytes: PAGE_BYTES });
    assert.ok(page !== null);
    if (page.kind === 'caught-up') return;
    if (page.kind === 'ended') {
      const parts = page.fileId === null ? [] : await database.readManifest(page.fileId, 0, 1_000);
      this.#take(parts.flatMap(({ blob }) => ordinalsIn(blob)));
      this.#isAtEnd = true;
    } else if (page.kind === 'committed') {
      this.#take(ordinalsIn(page.blob));
      this.#from = page.next;
    } else {
      const ordinals = page.lines.map(({ ordinal }) => ordinal);
      assert.ok(ordinals.length <= 1 && ordinals.every((ordinal) => ordinal >= from.ordinal));
      this.#take(ordinals);
      this.#from = page.next;
    }
  }

  /** To the end of a batch that has ended; `final` are the ordinals of its kind that it has. */
  async finish(world: DatabaseWorld, final: readonly number[]): Promise<void> {
    while (!this.#isAtEnd) await this.read(world);
    const read = new Set(this.#ordinals);
    assert.deepEqual(
      this.#ordinals,
      final.filter((ordinal) => read.has(ordinal)),
    );
    for (const ordinal of this.#atStart) assert.ok(read.has(ordinal), `${ordinal} was there before`);
  }

  get #next(): number {
    return (this.#ordinals.at(-1) ?? -1) + 1;
  }

  #take(ordinals: readonly number[]): void {
    for (const ordinal of ordinals) if (ordinal >= this.#next) this.#ordinals.push(ordinal);
  }
}

/** Nothing of a reference into an object, which is not read here. */
function ordinalsIn(blob: BlobRef): number[] {
  if (blob.kind === 'object') return [];
  return Buffer.from(blob.bytes).toString().trimEnd().split('\n').map(Number);
}
