import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';

type Check = { readonly ok: boolean; readonly detail?: string };

/** `GET /readyz`: 200 if uploads and jobs can be taken, else 503 with what is missing. Upstreams do not count: jobs wait for them. */
export function readyRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.get('/readyz', { config: { access: 'public' } }, async (_request, reply) => {
    const [database, disk] = await Promise.all([checkDatabase(deps), checkDisk(deps)]);
    const isReady = database.ok && disk.ok;
    return reply
      .code(isReady ? 200 : 503)
      .send({ status: isReady ? 'ready' : 'not ready', checks: { database, disk } });
  });
}

async function checkDatabase({ database, log }: ApiDependencies): Promise<Check> {
  try {
    await database.ping();
    return { ok: true };
  } catch (error) {
    log.warn({ err: error }, 'the database did not answer the readiness probe');
    return { ok: false, detail: 'The database does not commit. The log tells why.' };
  }
}

async function checkDisk({ blobs, settings, log }: ApiDependencies): Promise<Check> {
  try {
    const free = await blobs.freeBytes();
    if (free === null || free >= settings.minFreeBytes) return { ok: true };
    return { ok: false, detail: `${free} bytes are free; at least ${settings.minFreeBytes} are wanted.` };
  } catch (error) {
    log.warn({ err: error }, 'the room on the disk could not be measured');
    return { ok: false, detail: 'The room on the disk cannot be measured. The log tells why.' };
  }
}
