import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * What Prometheus is told. Labels have few values on purpose: routes, upstream names and fixed words, never ids, models
 * or anything a client chooses, so that the number of series is bounded whatever is sent.
 */
export class Metrics {
  readonly registry = new Registry();

  readonly httpRequests = new Histogram({
    name: 'bora_http_request_seconds',
    help: 'Time from the first byte of a call to the last byte of its answer.',
    labelNames: ['route', 'method', 'status'] as const,
    buckets: [0.005, 0.025, 0.1, 0.5, 2, 10, 60, 300],
    registers: [this.registry],
  });

  readonly uploadedBytes = new Counter({
    name: 'bora_uploaded_bytes_total',
    help: 'Bytes of accepted files, inline requests included.',
    registers: [this.registry],
  });

  /** `result` is a word of the fault table (`succeeded`, `overloaded`, `refused`, …), `upstream` its configured name. */
  readonly attempts = new Counter({
    name: 'bora_attempts_total',
    help: 'HTTP calls to upstreams by how they ended.',
    labelNames: ['upstream', 'result'] as const,
    registers: [this.registry],
  });

  readonly attemptSeconds = new Histogram({
    name: 'bora_attempt_seconds',
    help: 'Duration of calls to upstreams.',
    labelNames: ['upstream'] as const,
    buckets: [0.05, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800],
    registers: [this.registry],
  });

  readonly inFlight = new Gauge({
    name: 'bora_in_flight',
    help: 'Attempts in flight by upstream.',
    labelNames: ['upstream'] as const,
    registers: [this.registry],
  });

  readonly outcomes = new Counter({
    name: 'bora_outcomes_total',
    help: 'Requests journaled, by what they ended as.',
    labelNames: ['kind'] as const,
    registers: [this.registry],
  });

  readonly journalSeconds = new Histogram({
    name: 'bora_journal_seconds',
    help: 'Duration of journal transactions.',
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [this.registry],
  });

  readonly batches = new Gauge({
    name: 'bora_batches',
    help: 'Batches by state.',
    labelNames: ['state'] as const,
    registers: [this.registry],
  });

  readonly shards = new Gauge({
    name: 'bora_shards',
    help: 'Shards that are not committed, by state.',
    labelNames: ['state'] as const,
    registers: [this.registry],
  });

  readonly journalRows = new Gauge({
    name: 'bora_journal_rows',
    help: 'Journal rows of shards that are not committed.',
    registers: [this.registry],
  });

  readonly freeBytes = new Gauge({
    name: 'bora_free_bytes',
    help: 'Room left on the disk of the data folder.',
    registers: [this.registry],
  });

  /** Adds Node's own figures (memory, event loop, garbage collection). Once per process: they are of the process. */
  addProcessFigures(): void {
    collectDefaultMetrics({ register: this.registry });
  }
}
