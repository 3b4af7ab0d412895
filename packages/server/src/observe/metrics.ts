import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * What Prometheus is told. Labels have few values on purpose: routes, names of upstreams and webhooks, fixed words, never ids, models
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

  readonly batches = this.#gauge('bora_batches', 'Batches by state.', ['state']);
  readonly shards = this.#gauge('bora_shards', 'Shards that are not committed, by state.', ['state']);
  readonly journalRows = this.#gauge(
    'bora_journal_rows',
    'Journal rows of shards that are not committed.',
    [],
  );
  readonly freeBytes = this.#gauge('bora_free_bytes', 'Room left on the disk of the data folder.', []);

  readonly upstreamUp = this.#gauge('bora_upstream_up', '1 if the upstream takes requests, else 0.', [
    'upstream',
  ]);
  readonly upstreamInFlight = this.#gauge('bora_upstream_in_flight', 'Attempts in flight.', ['upstream']);
  readonly upstreamLimit = this.#gauge('bora_upstream_max_in_flight', 'Most attempts in flight at once.', [
    'upstream',
  ]);
  readonly upstreamWindow = this.#gauge(
    'bora_upstream_window',
    'Attempts that may be in flight now, over the windows of its models.',
    ['upstream'],
  );
  readonly attempts = new Counter({
    name: 'bora_attempts_total',
    help: 'Attempts by what became of them: succeeded, failed, refused for load, retried, aborted.',
    labelNames: ['upstream', 'outcome'] as const,
    registers: [this.registry],
  });

  readonly webhookEvents = new Counter({
    name: 'bora_webhook_events_total',
    help: 'Attempts to tell a webhook of the end of a batch, and what became of them: delivered, retried, given up.',
    labelNames: ['webhook', 'outcome'] as const,
    registers: [this.registry],
  });

  /** Adds Node's own figures (memory, event loop, garbage collection). They are of the process, whoever else runs in it. */
  addProcessFigures(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  #gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Gauge<Label> {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }
}
