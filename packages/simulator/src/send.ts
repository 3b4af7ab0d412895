import type { ServerResponse } from 'node:http';
import type { SimulatorClock } from './clock.ts';
import type { Refusal } from './refusals.ts';

/** Node sends head and body in one write if the body is a string. */
export function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, 'application/json', `${JSON.stringify(value)}\n`);
}

export function refuse(response: ServerResponse, refusal: Refusal, retryAfter: number | null = null): void {
  if (retryAfter !== null) response.setHeader('retry-after', retryAfter);
  send(response, refusal.status, 'application/json', refusal.body);
}

/** The head of a whole answer and the first half of its bytes; `then` once they are on their way. */
export function sendHalf(response: ServerResponse, body: string, then: () => void): void {
  const bytes = Buffer.from(body);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.write(bytes.subarray(0, bytes.length / 2), then);
}

const SLOW_PIECES = 10;

/** An answer in pieces, the last one after `ms`. */
export function sendSlowly(response: ServerResponse, body: string, ms: number, clock: SimulatorClock): void {
  const bytes = Buffer.from(body);
  const pieceBytes = Math.ceil(bytes.length / SLOW_PIECES);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
  let cancelTimer = (): void => {};
  const sendFrom = (start: number): void => {
    const end = start + pieceBytes;
    response.write(bytes.subarray(start, end));
    if (end >= bytes.length) response.end();
    else cancelTimer = clock.after(ms / (SLOW_PIECES - 1), () => sendFrom(end));
  };
  response.once('close', () => cancelTimer());
  sendFrom(0);
}
