import { crc32 } from 'node:zlib';
import type { BlobRef } from '../storage/ports/blobs.ts';
import type { Damage, InspectedFile, InspectedRange, StoredObjects } from '../storage/ports/inspection.ts';
import { ContentPass, type PassKind } from './content-pass.ts';
import { readBlob } from './read-blob.ts';

const LINE_BREAK = 0x0a;

/** Reads bytes that the database names, and compares them with what it says of them. */
export class BytesInspection {
  readonly #objects: StoredObjects;
  readonly #onRead: (bytes: number) => void;

  /** `onRead` is told of every bytes that were looked at, or could not be. */
  constructor(objects: StoredObjects, onRead: (bytes: number) => void) {
    this.#objects = objects;
    this.#onRead = onRead;
  }

  async *range({ subject, blob, lines }: InspectedRange, signal?: AbortSignal): AsyncGenerator<Damage> {
    let found = 0;
    const fault = await this.#read(subject, blob, (chunk) => (found += lineBreaks(chunk)), signal);
    if (fault !== null) yield fault;
    else if (lines !== null && found !== lines) {
      const detail = `It should hold ${lines} lines, and its bytes have ${found}.`;
      yield { kind: 'counts', subject, detail, repair: null };
    }
  }

  /** The bytes of its parts, and, where these are sound, whether its content is what was noted of it. */
  async *file(file: InspectedFile, signal?: AbortSignal): AsyncGenerator<Damage> {
    const subject = `file ${file.id}`;
    const pass = new ContentPass(passKind(file));
    let isSound = true;
    let end = 0;
    for (const { start, length, blob } of file.parts()) {
      // The counts tell of parts that leave a gap.
      if (start !== end) isSound = false;
      end = start + length;
      const fault = await this.#read(subject, blob, (chunk) => pass.push(chunk), signal);
      if (fault !== null) yield fault;
      isSound &&= fault === null;
    }
    if (!isSound || end !== file.bytes) return;
    for (const detail of await this.#contentFaults(file, pass)) {
      yield { kind: 'line-index', subject, detail, repair: null };
    }
  }

  async #contentFaults(file: InspectedFile, pass: ContentPass): Promise<string[]> {
    const { md5, lines, index } = pass.finish();
    const faults: string[] = [];
    if (file.signature !== null && file.signature !== md5) {
      faults.push(`Its MD5 was ${file.signature}, and is ${md5}.`);
    }
    if (file.isResult && file.numLines !== lines) {
      faults.push(`It should have ${file.numLines} lines, and has ${lines}.`);
    }
    if (index === null) return faults;
    if (index.summary.requests !== file.indexedRequests) {
      faults.push(
        `Its line index has ${file.indexedRequests} requests, its content ${index.summary.requests}.`,
      );
    }
    const cuts = await this.#cutsOf(file);
    if (cuts !== null && !Buffer.from(cuts).equals(index.cuts)) {
      faults.push('The cuts of its line index are not where its lines begin and end.');
    }
    return faults;
  }

  /** Null if they cannot be read, which is told where their bytes are looked at. */
  async #cutsOf({ cuts }: InspectedFile): Promise<Uint8Array | null> {
    if (cuts === null) return new Uint8Array();
    try {
      return await readBlob(this.#objects, cuts);
    } catch {
      return null;
    }
  }

  async #read(
    subject: string,
    blob: BlobRef,
    take: (chunk: Uint8Array) => unknown,
    signal: AbortSignal | undefined,
  ): Promise<Damage | null> {
    if (blob.kind === 'inline') {
      take(blob.bytes);
      this.#onRead(blob.bytes.byteLength);
      return null;
    }
    const { name, offset, length, checksum } = blob;
    const size = await this.#objects.size(name);
    if (size === null || size < offset + length) {
      this.#onRead(length);
      if (size === null) return damaged('blob-missing', subject, `Its object ${name} is not there.`);
      const detail = `Its object ${name} has ${size} bytes and should have ${offset + length}.`;
      return damaged('blob-short', subject, detail);
    }
    let sum = 0;
    for await (const chunk of this.#objects.read(name, offset, offset + length, signal)) {
      sum = crc32(chunk, sum);
      take(chunk);
      this.#onRead(chunk.byteLength);
    }
    const found = sum.toString(16).padStart(8, '0');
    if (found === checksum) return null;
    const detail = `Bytes ${offset} to ${offset + length} of its object ${name} have the checksum ${found} instead of ${checksum}.`;
    return damaged('blob-changed', subject, detail);
  }
}

function passKind({ indexedRequests, isResult }: InspectedFile): PassKind {
  if (indexedRequests !== null) return 'requests';
  return isResult ? 'lines' : 'bytes';
}

function damaged(kind: Damage['kind'], subject: string, detail: string): Damage {
  return { kind, subject, detail, repair: null };
}

function lineBreaks(chunk: Uint8Array): number {
  let count = 0;
  for (let at = chunk.indexOf(LINE_BREAK); at !== -1; at = chunk.indexOf(LINE_BREAK, at + 1)) count += 1;
  return count;
}
