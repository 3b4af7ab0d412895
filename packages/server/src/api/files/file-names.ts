import { extname } from 'node:path';

const MIMETYPES: Readonly<Record<string, string>> = {
  '.jsonl': 'application/jsonl',
  '.ndjson': 'application/jsonl',
  '.json': 'application/json',
  '.txt': 'text/plain',
  '.csv': 'text/csv',
  '.md': 'text/markdown',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.gif': 'image/gif',
  '.tif': 'image/tiff',
  '.tiff': 'image/tiff',
  '.bmp': 'image/bmp',
  '.heic': 'image/heic',
  '.docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  '.pptx': 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  '.epub': 'application/epub+zip',
  '.zip': 'application/zip',
  '.gz': 'application/gzip',
  '.mp3': 'audio/mpeg',
  '.wav': 'audio/wav',
  '.flac': 'audio/flac',
  '.m4a': 'audio/mp4',
  '.ogg': 'audio/ogg',
  '.opus': 'audio/ogg',
  '.aac': 'audio/aac',
};

/** Lines of text may hide behind any of these, and behind no extension at all: a bare Blob comes as `blob` (measured). */
const MAYBE_JSONL = new Set([
  'application/jsonl',
  'application/json',
  'text/plain',
  'application/octet-stream',
]);

const MAX_NAME_LENGTH = 255;

/** By extension; what a client says of the type is a guess of its HTTP library and not trusted. */
export function mimetypeOf(filename: string): string {
  return MIMETYPES[extname(filename).toLowerCase()] ?? 'application/octet-stream';
}

export function mayBeJsonl(mimetype: string): boolean {
  return MAYBE_JSONL.has(mimetype);
}

/**
 * A name to show to people: no folders, no control characters, at most 255 characters. It never becomes a path, so nothing else
 * can be wrong with it.
 */
export function displayName(filename: string | undefined): string {
  const base = (filename ?? '').split(/[/\\]/).at(-1) ?? '';
  const clean = base.replaceAll(/\p{Cc}/gu, '').trim();
  return Array.from(clean === '' ? 'file' : clean)
    .slice(0, MAX_NAME_LENGTH)
    .join('');
}
