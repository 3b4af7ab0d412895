import type { UpstreamStatus } from '@bora/server/upstreams/upstreams';
import { modelsText } from './models-text.ts';

interface StartFacts {
  readonly url: string;
  /** Data folder. */
  readonly data: string;
  /** Whether API keys exist. */
  readonly keys: boolean;
  readonly upstreams: readonly UpstreamStatus[];
  /** Whether it looks for servers on this machine while it has none. */
  readonly looks: boolean;
}

/** What `bora serve` says once it listens: where, what is behind it, who may call, what to do next. */
export function startBanner(facts: StartFacts): string {
  const { url, data, keys, upstreams } = facts;
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
    ...nextSteps(facts),
    'Ctrl-C stops it in order.',
  ].join('\n');
}

function upstreamLine({ url, found, state, reason, serves, maxInFlight }: UpstreamStatus): string {
  const where = found ? `${url}  found here,` : `${url} `;
  if (state !== 'up') return `${where} ${state}${reason === null ? '' : `: ${reason}`}`;
  return `${where} up, at most ${maxInFlight} in flight, ${modelsText(serves === 'any' ? ['*'] : serves)}`;
}

function nextSteps({ upstreams, looks }: StartFacts): string[] {
  if (upstreams.length === 0)
    return [
      `No inference server is set${looks ? ', and none answers on the usual ports of this machine' : ''}: jobs are accepted and wait.`,
      ...(looks
        ? ['One that is started there is found within 15 s. Or start again with one, for example']
        : ['Start again with one, for example']),
      '  BORA_UPSTREAM=http://localhost:8000 npm start',
    ];
  const serving = upstreams.find(
    ({ state, serves }) => state === 'up' && serves !== 'any' && serves.length > 0,
  );
  const model = serving === undefined || serving.serves === 'any' ? '<model>' : serving.serves[0];
  const down = upstreams.every(({ state }) => state !== 'up');
  return [
    ...(upstreams[0].found
      ? ['No inference server is set, so Bora uses what it found. BORA_UPSTREAM names another.']
      : []),
    ...(down ? ['No inference server answers yet: jobs are accepted, wait, and go on when one does.'] : []),
    'Next, in another terminal:',
    `  npx bora submit examples/chat.jsonl --endpoint /v1/chat/completions --model ${model} --wait`,
  ];
}
