import type { BlobNamePool } from '../files/blob-names.ts';
import type { BlobRef, BlobStore, BlobWriter } from '../storage/ports/blobs.ts';
import { lineFormatOf } from '../batches/lines/line-format.ts';
import type { AnswerSpill } from '../upstreams/upstreams.ts';
import type { Request } from './request.ts';

/**
 * A large answer on its way to a blob of its own: the whole result line, written around the answer as it arrives, so the
 * blob can become a part of the result file without being copied.
 */
export class SpilledLine implements AnswerSpill {
  readonly #writer: BlobWriter;
  readonly #name: string;
  readonly #names: BlobNamePool;
  readonly #tail: Uint8Array;
  #blob: BlobRef | null = null;

  private constructor(writer: BlobWriter, name: string, names: BlobNamePool, tail: Uint8Array) {
    this.#writer = writer;
    this.#name = name;
    this.#names = names;
    this.#tail = tail;
  }

  static async open(
    request: Request,
    status: number,
    { blobs, names }: { blobs: BlobStore; names: BlobNamePool },
  ): Promise<SpilledLine> {
    const { batch, fileId } = request.shard.work;
    const { head, tail } = lineFormatOf(batch.dialect).around(batch, fileId, request, status);
    const name = await names.take();
    let writer: BlobWriter | null = null;
    try {
      writer = await blobs.create(name);
      await writer.write(head);
      return new SpilledLine(writer, name, names, tail);
    } catch (error) {
      await writer?.abandon();
      await names.release([name]);
      throw error;
    }
  }

  /** The finished line; null before `finish`. */
  get blob(): BlobRef | null {
    return this.#blob;
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#writer.write(chunk);
  }

  async finish(): Promise<void> {
    try {
      await this.#writer.write(this.#tail);
      const { name, length, checksum } = await this.#writer.finish();
      this.#blob = { kind: 'object', name, offset: 0, length, checksum };
    } catch (error) {
      // Nobody abandons what could not be finished.
      await this.abandon();
      throw error;
    }
  }

  /** Also after `finish`, for a line that no journal row will name. Never rejects. */
  async abandon(): Promise<void> {
    await this.#writer.abandon();
    await this.#names.release([this.#name]);
  }
}
