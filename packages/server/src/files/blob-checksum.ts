import { crc32 } from 'node:zlib';

/** The checksum that `BlobRef` carries, of bytes that are a range of an object. */
export function blobChecksum(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, '0');
}
