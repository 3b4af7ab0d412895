import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';

export interface RawAnswer {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: string;
}

export function connectTo(url: string): Socket {
  const { port, hostname } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, noDelay: true });
  // That it ended is seen by its end; a server that has answered may cut what is still sent.
  socket.on('error', () => {});
  return socket;
}

/**
 * Sends bytes as they are, one piece after the other, and reads an answer: up to its length, or until the server closes. Null if it closed
 * without one.
 */
export async function rawCall(
  url: string,
  ...pieces: readonly (string | Uint8Array)[]
): Promise<RawAnswer | null> {
  const socket = connectTo(url);
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => {
    received.push(chunk);
    if (isWhole(final(Buffer.concat(received).toString('latin1')))) socket.destroy();
  });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await setImmediate();
  }
  await closed;
  return answerOf(final(Buffer.concat(received).toString()));
}

/** The bytes of a call with a body, in one piece; `headers` are lines that end as such. */
export function bytesOfCall(
  path: string,
  body: string | Uint8Array,
  contentType = 'application/json',
  { method = 'POST', headers = '' } = {},
): Buffer {
  const bytes = Buffer.from(body);
  const head = `${method} ${path} HTTP/1.1\r\nhost: bora\r\nconnection: close\r\n${headers}content-type: ${contentType}\r\n`;
  return Buffer.concat([Buffer.from(`${head}content-length: ${bytes.length}\r\n\r\n`, 'latin1'), bytes]);
}

/** Without the leave to go on that may come before the answer. */
function final(text: string): string {
  return text.replace(/^HTTP\/1\.1 100 [^]*?\r\n\r\n/, '');
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const head = text.slice(0, end);
  if (/^transfer-encoding: chunked/im.test(head)) return text.endsWith('\r\n0\r\n\r\n');
  const length = /^content-length: (\d+)\r?$/im.exec(head);
  return length !== null && text.length >= end + 4 + Number(length[1]);
}

function answerOf(text: string): RawAnswer | null {
  const end = text.indexOf('\r\n\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(text);
  if (end === -1 || status === null) return null;
  return { status: Number(status[1]), head: text.slice(0, end), body: text.slice(end + 4) };
}
