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

async function measureWork({ database, blobs, metrics }: ApiDependencies): Promise<void> {
  const [work, free] = await Promise.all([database.countWork(), blobs.freeBytes()]);
  metrics.batches.reset();
  for (const [state, count] of Object.entries(work.batches)) metrics.batches.set({ state }, count);
  metrics.shards.reset();
  for (const [state, count] of Object.entries(work.shards)) metrics.shards.set({ state }, count);
  metrics.journalRows.set(work.journalRows);
  if (free !== null) metrics.freeBytes.set(free);
}

function measureUpstreams({ upstreams, metrics }: ApiDependencies): void {
  for (const { name: upstream, state, inFlight, maxInFlight, answered, refused } of upstreams.status()) {
    metrics.upstreamUp.set({ upstream }, state === 'up' ? 1 : 0);
    metrics.upstreamInFlight.set({ upstream }, inFlight);
    metrics.upstreamLimit.set({ upstream }, maxInFlight);
    metrics.upstreamAnswered.set({ upstream }, answered);
    metrics.upstreamRefused.set({ upstream }, refused);
  }
}
