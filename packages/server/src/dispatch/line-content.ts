import { base64Length, base64Of } from '../bytes/base64.ts';
import { gapInForm } from '../bytes/form-body.ts';
import type { FileMember } from '../bytes/named-files.ts';
import { gapForLink, stringAt } from '../bytes/splice-file.ts';
import type { Gap, LinkMember } from '../bytes/splice-file.ts';
import { FileContentMissing, readFileRange } from '../files/content.ts';
import type { ContentDependencies } from '../files/content.ts';
import type { BatchWork } from '../storage/ports/shard-queue.ts';
import type { FileRecord, FileRecords } from '../storage/ports/file-records.ts';
import { FetchRefused } from '../upstreams/fetch-refusal.ts';
import type { Fetched, GuardedFetch } from '../upstreams/guarded-fetch.ts';
import type { FileForms, StreamedBody } from '../upstreams/upstreams.ts';

export interface LineContentDependencies extends ContentDependencies {
  readonly database: ContentDependencies['database'] & Pick<FileRecords, 'findNamedFile'>;
  readonly fetch: Pick<GuardedFetch, 'open'>;
  /** A link under which an upstream gets a file that a line of the batch names. It must need no escape in JSON. */
  readonly linkTo: (file: FileRecord, batch: BatchWork) => Promise<string>;
  /** Random; unlike anything that a file may hold. */
  readonly newBoundary: () => string;
}

/** A request that cannot be sent, for a reason of its own. */
export class LineRefused extends Error {
  override readonly name = 'LineRefused';
  readonly code: 'named_file_not_found' | 'invalid_line';

  constructor(code: LineRefused['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** The storage did not give what a line names; no fault of the line's. */
export class ContentUnreadable extends Error {
  override readonly name = 'ContentUnreadable';
}

/** To be disposed of, sent or not. */
export type LineBody = StreamedBody & AsyncDisposable;

const NOTHING_OPEN = { [Symbol.asyncDispose]: async () => {} };

/**
 * What goes out for a line that names a file or a link, in the form that its upstream takes. Content is read while it is sent, anew
 * with each attempt, so a line costs a few chunks of memory however large its file is.
 */
export class LineContent {
  readonly #deps: LineContentDependencies;

  constructor(deps: LineContentDependencies) {
    this.#deps = deps;
  }

  /**
   * Null if the body can go as it is. What it answers throws the same while it is read.
   * @throws LineRefused, FetchRefused, ContentUnreadable
   * @throws the signal's reason if it aborts.
   */
  async bodyFor(
    body: Uint8Array,
    member: FileMember,
    batch: BatchWork,
    { transcriptions, documents }: FileForms,
    signal: AbortSignal,
  ): Promise<LineBody | null> {
    const fileId = stringAt(body, member);
    const isForm = member === 'file_id' && transcriptions === 'multipart';
    if (fileId === null) return isForm ? this.#formOfLink(body, signal) : null;
    const file = await this.#deps.database.findNamedFile(batch.id, fileId).catch(throwUnreadable);
    if (file === null) throw notFound(fileId);
    if (isForm) {
      const form = this.#form(body, file.filename, file.mimetype);
      return streamed(form.contentType, form.gap, file.bytes, () => this.#read(file));
    }
    const gap = gapForLink(body, member, linkMember(member, file));
    if (documents === 'url') {
      const link = Buffer.from(await this.#deps.linkTo(file, batch).catch(throwUnreadable));
      return streamed('application/json', gap, link.length, () => [link]);
    }
    const head = Buffer.from(`data:${file.mimetype ?? 'application/octet-stream'};base64,`);
    const before = Buffer.concat([gap.before, head]);
    return streamed('application/json', { before, after: gap.after }, base64Length(file.bytes), () =>
      base64Of(this.#read(file)),
    );
  }

  /** Asks for the link before anything is sent: what is refused costs the upstream nothing. */
  async #formOfLink(body: Uint8Array, signal: AbortSignal): Promise<LineBody> {
    const link = stringAt(body, 'file_url');
    if (link === null) throw new LineRefused('invalid_line', 'Neither "file_id" nor "file_url" is a string.');
    const { fetch } = this.#deps;
    const first = await fetch.open(link, signal);
    const form = this.#form(body, first.filename, first.contentType);
    let unread: Fetched | null = first;
    const open = async function* (): AsyncGenerator<Uint8Array> {
      await using source = unread ?? (await fetch.open(link, signal));
      unread = null;
      // The length is announced already.
      if (source.length !== first.length)
        throw new FetchRefused('file_url_unreachable', { isTransient: true });
      yield* source.chunks;
    };
    return {
      ...streamed(form.contentType, form.gap, first.length, open),
      [Symbol.asyncDispose]: () => first[Symbol.asyncDispose](),
    };
  }

  #form(body: Uint8Array, name: string, contentType: string | null): { gap: Gap; contentType: string } {
    const boundary = this.#deps.newBoundary();
    const file = { name, contentType: contentType ?? 'application/octet-stream' };
    return { gap: gapInForm(body, file, boundary), contentType: `multipart/form-data; boundary=${boundary}` };
  }

  async *#read({ id, bytes }: FileRecord): AsyncGenerator<Uint8Array> {
    try {
      yield* readFileRange(this.#deps, id, 0, bytes);
    } catch (error) {
      if (error instanceof FileContentMissing) throw notFound(id);
      throwUnreadable(error);
    }
  }
}

function notFound(fileId: string): LineRefused {
  return new LineRefused(
    'named_file_not_found',
    `There is no file ${JSON.stringify(fileId)} in the workspace.`,
  );
}

function throwUnreadable(cause: unknown): never {
  throw new ContentUnreadable(cause instanceof Error ? cause.message : String(cause), { cause });
}

function linkMember(member: FileMember, { mimetype }: FileRecord): LinkMember {
  if (member === 'file_id') return 'file_url';
  return mimetype?.startsWith('image/') === true ? 'image_url' : 'document_url';
}

function streamed(
  contentType: string,
  { before, after }: Gap,
  length: number | null,
  content: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): LineBody {
  return {
    contentType,
    length: length === null ? null : before.length + length + after.length,
    async *open() {
      yield before;
      yield* content();
      yield after;
    },
    ...NOTHING_OPEN,
  };
}
