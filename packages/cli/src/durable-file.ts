import { createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Writes a file whole or not at all: into a file beside it, synced, renamed, and the folder synced. After a crash or power loss the path
 * holds what it held before or all of the new content.
 */
export async function writeFileDurably(
  path: string,
  content: AsyncIterable<Uint8Array> | string,
  signal?: AbortSignal,
): Promise<void> {
  const unfinished = `${path}.unfinished`;
  try {
    const source = Readable.from(typeof content === 'string' ? [content] : content);
    await pipeline(source, createWriteStream(unfinished, { flush: true }), signal ? { signal } : {});
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  await rename(unfinished, path);
  await syncFolder(dirname(path));
}

/** Makes names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
