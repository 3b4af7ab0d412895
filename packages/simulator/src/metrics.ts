import type { SimulatorSettings } from './settings.ts';
import type { SimulatorStats } from './stats.ts';

/** `GET /metrics`: the figures of vLLM that clients steer by, all models together under the name of the first, then its own. */
export function metricsText(stats: SimulatorStats, settings: SimulatorSettings): string {
  const model = JSON.stringify(settings.models[0]);
  const labels = `{engine="0",model_name=${model}}`;
  const lines: string[] = [];
  const add = (type: 'gauge' | 'counter', name: string, help: string, value: number, label = ''): void => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name}${label} ${value}`);
  };
  add('gauge', 'vllm:num_requests_running', 'Requests being worked on.', stats.running, labels);
  add('gauge', 'vllm:num_requests_waiting', 'Requests waiting for a slot.', stats.waiting, labels);
  add(
    'gauge',
    'vllm:kv_cache_usage_perc',
    'Busy slots, from 0 to 1.',
    Math.min(1, stats.running / settings.slots),
    labels,
  );
  add('counter', 'vllm:prompt_tokens_total', 'Tokens of answered prompts.', stats.promptTokens, labels);
  add('counter', 'vllm:generation_tokens_total', 'Tokens of answers.', stats.completionTokens, labels);
  add('counter', 'simulator_requests_total', 'Requests received.', stats.requests);
  add('gauge', 'simulator_in_flight', 'Requests received and not yet answered.', stats.inFlight);
  add('counter', 'simulator_resets_total', 'Connections reset on purpose.', stats.resets);
  add('counter', 'simulator_abandoned_total', 'Requests whose client left.', stats.abandoned);
  add('gauge', 'simulator_distinct_bodies', 'Different request bodies received.', stats.distinctBodies);
  add('counter', 'simulator_busy_slot_seconds_total', 'Busy time of all slots.', stats.busySlotMs / 1000);
  lines.push('# HELP simulator_answers_total Complete answers.', '# TYPE simulator_answers_total counter');
  for (const [status, count] of Object.entries(stats.answersByStatus)) {
    lines.push(`simulator_answers_total{status="${status}"} ${count}`);
  }
  return `${lines.join('\n')}\n`;
}
