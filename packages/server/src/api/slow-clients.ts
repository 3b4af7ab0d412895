import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError } from './errors.ts';
import { answerTooSlow } from './unreadable-calls.ts';

/** A client that sends, but less than this in so many times the stall, holds a connection and a file for nothing: 110 bytes a second. */
const CRAWL_BYTES = 64 * 1024;
const CRAWL_STALLS = 10;
/**
 * How long the rest of a refused body is read and dropped. Without it a client that is still sending meets a reset connection in place
 * of the answer; without an end to it a body that never ends would be read for ever.
 */
const LINGER_MS = 30_000;
/** Calls on one connection that wait for the one before them. Node would begin all of them: 1,000 downloads, each with its file. */
const MAX_WAITING = 16;

type Limits = Pick<ApiDependencies, 'clock' | 'log'> & {
  readonly settings: Pick<ApiDependencies['settings'], 'stallSeconds' | 'maxConnections'>;
};

/** A call under way: until it is answered, and its body was read or dropped. */
interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly over: PromiseWithResolvers<void>;
}

/**
 * Bounds what clients can hold by being slow: connections at once, calls at once on each, the time in which nothing is sent or taken, and
 * how little may be sent at all. Only the client is blamed: while Bora itself is slow to read or to answer, nothing is cut.
 */
export function limitSlowClients(app: FastifyInstance, { settings, clock, log }: Limits): void {
  const stallMs = settings.stallSeconds * 1000;
  /** In the order in which they came; the first is the one that is answered. */
  const calls = new WeakMap<Socket, Call[]>();
  const { server } = app;
  server.maxConnections = settings.maxConnections;
  warnOfDrops(server, { settings, clock, log });

  const cut = (socket: Socket, call: Call | undefined): void => {
    if (call !== undefined && call.response.socket === socket && !call.response.headersSent) {
      answerTooSlow(socket);
    } else {
      socket.destroy();
    }
  };

  // Node's own timeout of a connection, which also sees a large write progress; and of one that waits for its next call.
  server.on('timeout', (socket: Socket) => {
    const { bytesRead } = socket;
    // Where this process was held up itself, what the client sent meanwhile has come and is read only behind the timers.
    setImmediate(() => {
      if (socket.destroyed) return;
      const call = calls.get(socket)?.[0];
      const isSilent = socket.bytesRead === bytesRead;
      if (isSilent && (call === undefined || waitsForClient(call, socket))) cut(socket, call);
      else socket.setTimeout(stallMs);
    });
  });

  server.on('connection', (socket: Socket) => socket.setTimeout(stallMs));
  // Before the framework hears of the call.
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    const queue = calls.get(socket) ?? [];
    if (queue.length > MAX_WAITING) {
      socket.destroy();
      return;
    }
    const call = { request, response, over: Promise.withResolvers<void>() };
    const end = (): void => {
      queue.splice(queue.indexOf(call), 1);
      call.over.resolve();
    };
    queue.push(call);
    calls.set(socket, queue);
    socket.setTimeout(stallMs);

    const isLast = !response.shouldKeepAlive;
    let stopWatching = (): void => {};
    const watch = (before: number): void => {
      stopWatching = clock.after(CRAWL_STALLS * stallMs, () => {
        const { bytesRead } = socket;
        // As above: what came while this process was held up is read first.
        setImmediate(() => {
          if (request.closed || socket.destroyed) return;
          const isSilent = socket.bytesRead === bytesRead && waitsForClient(call, socket);
          if (isSilent && bytesRead - before < CRAWL_BYTES && !response.headersSent) cut(socket, call);
          else watch(socket.bytesRead);
        });
      });
    };
    if (hasBody(request)) watch(socket.bytesRead);
    request.once('close', () => stopWatching());

    response.once('close', () => {
      if (request.complete) {
        end();
        return;
      }
      // Node allows for its keep-alive now, as if the next call were what is waited for.
      socket.setTimeout(stallMs);
      const stopLingering = clock.after(LINGER_MS, () => socket.destroy());
      request.once('close', () => {
        stopLingering();
        end();
        if (isLast) socket.end();
      });
    });
  });

  app.addHook('onRequest', async ({ raw: request }) => {
    const queue = calls.get(request.socket) ?? [];
    const place = queue.findIndex((call) => call.request === request);
    if (place > 0) await queue[place - 1].over.promise;
    if (request.socket.destroyed) throw new ApiError('malformed_http', 'The connection is closed.');
  });

  app.addHook('onSend', async ({ raw: request }, { raw: response }) => {
    // Node would close the connection with the answer, under the hands of a client that is still sending.
    if (!request.complete) response.shouldKeepAlive = true;
  });
}

function waitsForClient({ request, response }: Call, socket: Socket): boolean {
  if (!request.complete) return request.readableLength === 0;
  return response.headersSent && !response.writableFinished && socket.writableLength > 0;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** At most once a stall, since whoever opens too many opens them fast. */
function warnOfDrops(server: Server, { settings, clock, log }: Limits): void {
  let silent = false;
  server.on('drop', () => {
    if (silent) return;
    silent = true;
    clock.after(settings.stallSeconds * 1000, () => {
      silent = false;
    });
    log.warn({ maxConnections: settings.maxConnections }, 'refuses connections: as many are open as may be');
  });
}
