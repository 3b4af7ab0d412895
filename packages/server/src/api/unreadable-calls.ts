import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { answerError } from './error-answers.ts';
import { ApiError } from './errors.ts';
import { requestIdOf } from './transport.ts';

/** What a client still sends is read and dropped for so long, lest it meets a reset connection in place of the answer. */
const LINGER_MS = 2_000;

/** Answers a call whose bytes are no HTTP that can be read; it reaches no route. The connection ends: what follows is as unreadable. */
export function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  // Told again of each further piece of what cannot be read.
  if (socket.writableEnded) return;
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  answerLast(socket, refusalOf(error));
  const linger = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('close', () => clearTimeout(linger));
}

/**
 * Answers a call that did not come in time, and ends the connection. Nothing of an answer may have been written. Should the client go
 * on at this very moment, nothing of it is read any more: what is answered as refused must not be taken.
 */
export function answerTooSlow(socket: Socket): void {
  socket.pause();
  socket.once('finish', () => socket.destroy());
  answerLast(
    socket,
    new ApiError(
      'call_too_slow',
      'The call did not come in time: nothing, or next to nothing, was sent. Send it again.',
    ),
  );
}

/** Answers a call whose path cannot be read: a broken percent escape, or an id of a length that none has. */
export function answerUnreadablePath(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const refusal = new ApiError('malformed_http', `The path cannot be read: ${error.message}.`);
  void answerError(refusal, request, reply.header('x-request-id', request.id));
}

function answerLast(socket: Socket, refusal: ApiError): void {
  const requestId = requestIdOf();
  const body = JSON.stringify(refusal.body(requestId));
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function refusalOf({ code }: NodeJS.ErrnoException): ApiError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ApiError('call_too_slow', 'The headers of the call did not come in time. Send it again.');
    case 'HPE_HEADER_OVERFLOW':
      return new ApiError('header_too_large', 'The path and the headers are together longer than 16 KiB.');
    default:
      return new ApiError('malformed_http', `The call is no HTTP/1.1 that can be read (${code}).`);
  }
}
