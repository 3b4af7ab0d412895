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

/** Control characters; line and paragraph breaks; and what turns the direction of text, so that `exe.jsonl` reads as another name. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/**
 * A name to show to people: no folders, nothing that is not seen, at most 255 characters, and never `.` or `..`, since whoever
 * downloads it may save it under this name. Here it never becomes a path.
 */
export function displayName(filename: string | undefined): string {
  const base = (filename ?? '').split(/[/\\]/).at(-1) ?? '';
  const clean = base.toWellFormed().replaceAll(UNSEEN, '').trim();
  return Array.from(/^\.*$/.test(clean) ? 'file' : clean)
    .slice(0, MAX_NAME_LENGTH)
    .join('');
}
