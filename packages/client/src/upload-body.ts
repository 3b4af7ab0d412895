import { BoraError } from './bora-error.ts';

/** Where the bytes of an upload come from. `path` works in Node only. */
export type UploadSource =
  | { readonly path: string }
  | Blob
  | Uint8Array
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

export interface UploadBody {
  readonly body: NonNullable<RequestInit['body']>;
  readonly headers: Readonly<Record<string, string>>;
  /** What the source threw while it was sent. Fetch says of it no more than that the body broke off. */
  readonly sourceFailure: () => { readonly error: unknown } | null;
}

/** Called with the bytes of the file that were sent so far. */
export type OnSent = (bytes: number) => void;

/**
 * A multipart body for the source, in constant memory in Node: a path becomes a Blob that reads the file as it is sent, a stream is
 * passed on as it comes. Browsers cannot send streams over HTTP/1.1, so there a stream is first gathered into a Blob.
 *
 * A body that is watched (`onSent`) is a stream in Node; a browser does not tell how far it is.
 * @throws BoraError `path_needs_node` if a path is given outside Node; what `node:fs` throws for a file that cannot be read.
 */
export async function uploadBody(
  source: UploadSource,
  filename: string | undefined,
  fields: Readonly<Record<string, string>>,
  onSent?: OnSent,
): Promise<UploadBody> {
  const isBrowser = nodeFs() === undefined;
  if (source instanceof Blob || source instanceof Uint8Array || 'path' in source) {
    const blob = await blobOf(source);
    const name = filename ?? nameOf(source);
    return onSent === undefined || isBrowser
      ? formBody(blob, name, fields)
      : streamBody(blob.stream(), name, fields, onSent);
  }
  const name = filename ?? 'upload.jsonl';
  if (isBrowser) return formBody(await new Response(toStream(source)).blob(), name, fields);
  return streamBody(source, name, fields, onSent);
}

async function blobOf(source: Blob | Uint8Array | { readonly path: string }): Promise<Blob> {
  if (source instanceof Blob) return source;
  if (source instanceof Uint8Array) return new Blob([notShared(source)]);
  const node = nodeFs();
  if (node === undefined)
    throw new BoraError(
      `Cannot upload from the path ${source.path}: paths work in Node only. Give a Blob or a File.`,
      { code: 'path_needs_node' },
    );
  return node.openAsBlob(source.path);
}

/** The types of the DOM ask for it. Memory that is shared `Blob` itself refuses. */
function notShared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

function nameOf(source: Blob | Uint8Array | { readonly path: string }): string {
  if ('path' in source) return source.path.split(/[/\\]/).at(-1) ?? source.path;
  return source instanceof File ? source.name : 'upload.jsonl';
}

function formBody(blob: Blob, filename: string, fields: Readonly<Record<string, string>>): UploadBody {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append('file', blob, filename);
  return { body: form, headers: {}, sourceFailure: () => null };
}

function streamBody(
  source: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>,
  filename: string,
  fields: Readonly<Record<string, string>>,
  onSent: OnSent = () => {},
): UploadBody {
  const boundary = `bora-${crypto.randomUUID()}`;
  let failure: { readonly error: unknown } | null = null;
  const watched = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    let sent = 0;
    try {
      for await (const chunk of source) {
        yield chunk;
        sent += chunk.length;
        onSent(sent);
      }
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  return {
    body: toStream(multipart(watched(), boundary, filename, fields)),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    sourceFailure: () => failure,
  };
}

async function* multipart(
  source: AsyncIterable<Uint8Array>,
  boundary: string,
  filename: string,
  fields: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const [name, value] of Object.entries(fields))
    yield encoder.encode(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
  const safeName = filename.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  yield encoder.encode(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${safeName}"\r\n` +
      'Content-Type: application/octet-stream\r\n\r\n',
  );
  yield* source;
  yield encoder.encode(`\r\n--${boundary}--\r\n`);
}

function toStream(
  source: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>,
): ReadableStream<Uint8Array> {
  if (source instanceof ReadableStream) return source;
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

/** What is used of `node:fs`. Named here, so that nobody who compiles against this client needs the types of Node. */
interface NodeFs {
  openAsBlob(path: string): Promise<Blob>;
}

interface NodeGlobal {
  readonly process?: { getBuiltinModule?(name: 'node:fs'): NodeFs };
}

/** `node:fs`, or undefined in a browser. Not an import, so that bundlers never see it. */
function nodeFs(): NodeFs | undefined {
  return (globalThis as unknown as NodeGlobal).process?.getBuiltinModule?.('node:fs');
}
