import type { UpstreamStatus } from '@bora/server/upstreams/upstreams';
import { modelsText } from './models-text.ts';

interface StartFacts {
  readonly url: string;
  /** Data folder. */
  readonly data: string;
  /** Whether API keys exist. */
  readonly keys: boolean;
  readonly upstreams: readonly UpstreamStatus[];
}

/** What `bora serve` says once it listens: where, what is behind it, who may call, what to do next. */
export function startBanner({ url, data, keys, upstreams }: StartFacts): string {
  const access = keys
    ? 'with an API key'
    : 'without a key, from this machine only (bora keys create makes one)';
  const served = upstreams.length === 0 ? ['none'] : upstreams.map(upstreamLine);
  return [
    `Bora listens on ${url}`,
    `  data       ${data}`,
    `  access     ${access}`,
    `  upstreams  ${served.join('\n             ')}`,
    '',
    ...nextSteps(upstreams),
    'Ctrl-C stops it in order.',
  ].join('\n');
}

function upstreamLine({ url, state, reason, serves, maxInFlight }: UpstreamStatus): string {
  if (state !== 'up') return `${url}  ${state}${reason === null ? '' : `: ${reason}`}`;
  return `${url}  up, at most ${maxInFlight} in flight, ${modelsText(serves === 'any' ? ['*'] : serves)}`;
}

function nextSteps(upstreams: readonly UpstreamStatus[]): string[] {
  if (upstreams.length === 0)
    return [
      'No inference server is set: jobs are accepted and wait. Start again with one, for example',
      '  BORA_UPSTREAM=http://localhost:8000 npm start',
    ];
  const serving = upstreams.find(
    ({ state, serves }) => state === 'up' && serves !== 'any' && serves.length > 0,
  );
  const model = serving === undefined || serving.serves === 'any' ? '<model>' : serving.serves[0];
  const down = upstreams.every(({ state }) => state !== 'up');
  return [
    ...(down ? ['No inference server answers yet: jobs are accepted, wait, and go on when one does.'] : []),
    'Next, in another terminal:',
    `  npx bora submit examples/chat.jsonl --endpoint /v1/chat/completions --model ${model} --wait`,
  ];
}
