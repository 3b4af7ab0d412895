/** Where the body of a request may name a file of the workspace. */
export type FileMember = 'document.file_id' | 'file_id';

/** A file that a body names, as it does: nobody has looked yet whether there is one. */
export interface NamedFile {
  readonly member: FileMember;
  readonly fileId: string;
}

const FILE_MEMBERS: Readonly<Record<string, FileMember>> = {
  '/v1/ocr': 'document.file_id',
  '/v1/audio/transcriptions': 'file_id',
};

/** Where a request to the endpoint may name a file (spec); null for all others, whose bodies are nobody's business. */
export function fileMemberOf(endpoint: string): FileMember | null {
  return FILE_MEMBERS[endpoint] ?? null;
}

const NONE: readonly NamedFile[] = [];

/** The files that a parsed body names. A value that is no string names none: it is the upstream's to refuse. */
export function namedFiles(body: {
  readonly file_id?: unknown;
  readonly document?: unknown;
}): readonly NamedFile[] {
  const { file_id: fileId, document } = body;
  const inDocument =
    typeof document === 'object' && document !== null
      ? (document as { file_id?: unknown }).file_id
      : undefined;
  if (typeof fileId !== 'string' && typeof inDocument !== 'string') return NONE;
  const named: NamedFile[] = [];
  if (typeof fileId === 'string') named.push({ member: 'file_id', fileId });
  if (typeof inDocument === 'string') named.push({ member: 'document.file_id', fileId: inDocument });
  return named;
}
