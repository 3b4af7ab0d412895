import type { BlobRef, BlobStore, BlobWriter } from '../storage/ports/blobs.ts';
import { INLINE_BLOB_BYTES } from '../storage/ports/blobs.ts';
import type { BlobNamePool } from './blob-names.ts';

/**
 * Writes bytes of unknown size as a blob: up to 64 KiB stay in memory and go inline into the database, more become an
 * object, whose name is taken only then.
 */
export class BlobOutput {
  readonly #blobs: Pick<BlobStore, 'create'>;
  readonly #names: Pick<BlobNamePool, 'take' | 'release'>;
  #chunks: Uint8Array[] = [];
  #held = 0;
  #object: { readonly name: string; readonly writer: BlobWriter } | null = null;

  constructor(deps: {
    readonly blobs: Pick<BlobStore, 'create'>;
    readonly names: Pick<BlobNamePool, 'take' | 'release'>;
  }) {
    this.#blobs = deps.blobs;
    this.#names = deps.names;
  }

  /** The object's name, for whoever must release it; null while the bytes are inline. */
  get name(): string | null {
    return this.#object?.name ?? null;
  }

  /** Appends; one call at a time. The chunk may be reused once the promise has settled. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#object === null && this.#held + chunk.byteLength <= INLINE_BLOB_BYTES) {
      // `slice` of a Buffer would be a view.
      this.#chunks.push(new Uint8Array(chunk));
      this.#held += chunk.byteLength;
      return;
    }
    const writer = this.#object?.writer ?? (await this.#spill());
    await writer.write(chunk);
  }

  /** The blob, durable if it is an object; null if nothing was written. After a rejection `abandon` it. */
  async finish(): Promise<BlobRef | null> {
    if (this.#object !== null) {
      const { name, length, checksum } = await this.#object.writer.finish();
      return { kind: 'object', name, offset: 0, length, checksum };
    }
    if (this.#held === 0) return null;
    return { kind: 'inline', bytes: Buffer.concat(this.#chunks) };
  }

  /**
   * Drops the bytes and releases the name, also after `finish`; a name that a record owns by then stays owned.
   * Never rejects.
   */
  async abandon(): Promise<void> {
    this.#chunks = [];
    this.#held = 0;
    if (this.#object === null) return;
    await this.#object.writer.abandon();
    await this.#names.release([this.#object.name]);
  }

  async #spill(): Promise<BlobWriter> {
    const name = await this.#names.take();
    let writer: BlobWriter;
    try {
      writer = await this.#blobs.create(name);
    } catch (error) {
      await this.#names.release([name]);
      throw error;
    }
    this.#object = { name, writer };
    for (const held of this.#chunks) await writer.write(held);
    this.#chunks = [];
    return writer;
  }
}
