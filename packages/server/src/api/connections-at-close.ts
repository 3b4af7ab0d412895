import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/**
 * Lets no connection without a call hold up the close of the API until its grace is over. Node ends those that wait for their next call,
 * but not those on which nothing was ever said, which browsers open in advance, as does Node's fetch after a download that was given up
 * (measured); nor those that begin to wait when the call that was under way has its answer.
 */
export function endConnectionsAtClose(app: FastifyInstance): void {
  const open = new Set<Socket>();
  let isClosing = false;
  app.server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  app.addHook('preClose', async () => {
    isClosing = true;
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
  });
  app.addHook('onSend', async (_request, reply) => {
    if (isClosing) reply.header('connection', 'close');
  });
}
