import { download } from './download.ts';
import type {
  DeletedFile,
  FileList,
  FilePurpose,
  FileSource,
  FileVisibility,
  MistralFile,
  RetrievedFile,
  SampleType,
} from './file-types.ts';
import { allPages } from './pages.ts';
import type { Transport } from './transport.ts';
import { uploadBody } from './upload-body.ts';
import type { OnSent, UploadSource } from './upload-body.ts';

export interface UploadOptions {
  /** Default: the name of the path or `File`, else `upload.jsonl`. */
  readonly filename?: string;
  /** Default `batch`. */
  readonly purpose?: FilePurpose;
  /** Default `workspace`. */
  readonly visibility?: FileVisibility;
  /** Hours to keep the file; default: until deleted. */
  readonly expiry?: number;
  /**
   * Called with the bytes of the file that were handed to the connection so far. In Node only: a browser does not tell. An upload that is
   * watched is sent as a stream, and so never made again.
   */
  readonly onProgress?: OnSent;
}

/** All that are given must match; a list matches any of its values. */
export interface FileFilter {
  readonly purpose?: FilePurpose;
  readonly sample_type?: readonly SampleType[];
  readonly source?: readonly FileSource[];
  readonly mimetypes?: readonly string[];
  /** Part of the file's name. */
  readonly search?: string;
  /** 1..1000, default 100. */
  readonly page_size?: number;
}

export interface FileListOptions extends FileFilter {
  /** Zero-based, default 0. */
  readonly page?: number;
  /** Default true; false spares the count and gives `total: null`. */
  readonly include_total?: boolean;
}

/** `/v1/files`. Every method throws `BoraError`. */
export class Files {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Uploads in constant memory (in Node, whatever the source). When it resolves the file is durable. After a lost connection or a 5xx it is
   * not repeated by itself: the file may be there.
   * @throws BoraError; what the source threw, if it did.
   */
  async upload(
    source: UploadSource,
    options: UploadOptions = {},
    signal?: AbortSignal,
  ): Promise<MistralFile> {
    const { filename, purpose = 'batch', visibility, expiry, onProgress } = options;
    const fields = {
      purpose,
      ...(visibility === undefined ? {} : { visibility }),
      ...(expiry === undefined ? {} : { expiry: String(expiry) }),
    };
    const { body, headers, sourceFailure } = await uploadBody(source, filename, fields, onProgress);
    try {
      return await this.#transport.json({ method: 'POST', path: '/v1/files', body, headers, signal });
    } catch (error) {
      throw sourceFailure()?.error ?? error;
    }
  }

  /** One page, newest first. */
  list(options: FileListOptions = {}, signal?: AbortSignal): Promise<FileList> {
    return this.#transport.json({ method: 'GET', path: '/v1/files', query: { ...options }, signal });
  }

  /** Every file that matches, newest first, fetched page by page. */
  listAll(filter: FileFilter = {}, signal?: AbortSignal): AsyncGenerator<MistralFile, void, undefined> {
    const page_size = filter.page_size ?? 100;
    return allPages(page_size, (page) =>
      this.list({ ...filter, page, page_size, include_total: false }, signal),
    );
  }

  retrieve(id: string, signal?: AbortSignal): Promise<RetrievedFile> {
    return this.#transport.json({ method: 'GET', path: filePath(id), signal });
  }

  delete(id: string, signal?: AbortSignal): Promise<DeletedFile> {
    const ifGone: DeletedFile = { id, object: 'file', deleted: true };
    return this.#transport.remove({ method: 'DELETE', path: filePath(id), ifGone, signal });
  }

  /**
   * The bytes as they arrive. Where the connection breaks, the rest is asked for; the stream's next read rejects only if that fails, with a
   * BoraError.
   */
  content(id: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    return download(this.#transport, { method: 'GET', path: `${filePath(id)}/content`, signal });
  }

  /** A link that needs no key and works for `expiry` hours: 1..168, default 24. */
  async signedUrl(id: string, options: { expiry?: number } = {}, signal?: AbortSignal): Promise<string> {
    const answer = await this.#transport.json<{ readonly url: string }>({
      method: 'GET',
      path: `${filePath(id)}/url`,
      query: { expiry: options.expiry },
      signal,
    });
    return answer.url;
  }
}

function filePath(id: string): string {
  return `/v1/files/${encodeURIComponent(id)}`;
}
