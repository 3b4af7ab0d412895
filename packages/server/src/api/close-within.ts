import type { FastifyInstance } from 'fastify';
import type { Clock } from '../observe/clock.ts';

/** Takes no new calls and lets the ones under way finish; after `graceMs` their connections are cut. */
export async function closeWithin(api: FastifyInstance, graceMs: number, clock: Clock): Promise<void> {
  const cancelCut = clock.after(graceMs, () => api.server.closeAllConnections());
  await api.close();
  cancelCut();
}
