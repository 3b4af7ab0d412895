import type { ServerResponse } from 'node:http';
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
