import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';

/** `GET /metrics`, in Prometheus' text format. Gauges are read at each scrape. */
export function metricsRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const { registry } = deps.metrics;
  app.get('/metrics', { config: { access: 'public' } }, async (_request, reply) => {
    await measureWork(deps);
    measureUpstreams(deps);
    return reply.type(registry.contentType).send(await registry.metrics());
  });
}

async function measureWork(deps: ApiDependencies): Promise<void> {
  const { database, blobs, metrics } = deps;
  const [work, free] = await Promise.all([
    orNull(deps, database.countWork()),
    orNull(deps, blobs.freeBytes()),
  ]);
  metrics.batches.reset();
  metrics.shards.reset();
  metrics.journalRows.remove();
  metrics.freeBytes.remove();
  if (work !== null) {
    for (const [state, count] of Object.entries(work.batches)) metrics.batches.set({ state }, count);
    for (const [state, count] of Object.entries(work.shards)) metrics.shards.set({ state }, count);
    metrics.journalRows.set(work.journalRows);
  }
  if (free !== null) metrics.freeBytes.set(free);
}

/** What cannot be measured is left out, so that the rest is still told when storage fails: that is when it is looked at. */
async function orNull<Figure>({ log }: ApiDependencies, figure: Promise<Figure>): Promise<Figure | null> {
  try {
    return await figure;
  } catch (error) {
    log.warn({ err: error }, 'a figure for /metrics could not be measured');
    return null;
  }
}

function measureUpstreams({ upstreams, metrics }: ApiDependencies): void {
  metrics.attempts.reset();
  for (const { name: upstream, state, inFlight, maxInFlight, models, attempts } of upstreams.status()) {
    metrics.upstreamUp.set({ upstream }, state === 'up' ? 1 : 0);
    metrics.upstreamInFlight.set({ upstream }, inFlight);
    metrics.upstreamLimit.set({ upstream }, maxInFlight);
    metrics.upstreamWindow.set(
      { upstream },
      models.reduce((sum, { window }) => sum + window, 0),
    );
    for (const [outcome, count] of Object.entries(attempts))
      metrics.attempts.inc({ upstream, outcome }, count);
  }
}
