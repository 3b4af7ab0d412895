import type { BlobStore, BlobWriter } from '../src/storage/ports/blobs.ts';

export function forwarding(blobs: BlobStore): BlobStore {
  return {
    create: (name) => blobs.create(name),
    read: (...range) => blobs.read(...range),
    remove: (name) => blobs.remove(name),
    syncRemovals: () => blobs.syncRemovals(),
    freeBytes: () => blobs.freeBytes(),
  };
}

/** Fails a step of writing an object whenever `isDue`, which is told how many bytes were written to it before. */
export function failingBlobs(
  blobs: BlobStore,
  step: 'create' | keyof BlobWriter,
  isDue: (written: number) => boolean,
): BlobStore {
  const orFail = (of: typeof step, written: number): void => {
    if (of === step && isDue(written)) throw new Error(`No room to ${step}.`);
  };
  return {
    ...forwarding(blobs),
    async create(name) {
      orFail('create', 0);
      const writer = await blobs.create(name);
      let written = 0;
      return {
        async write(chunk) {
          orFail('write', written);
          await writer.write(chunk);
          written += chunk.byteLength;
        },
        async finish() {
          orFail('finish', written);
          return writer.finish();
        },
        abandon: () => writer.abandon(),
      };
    },
  };
}
