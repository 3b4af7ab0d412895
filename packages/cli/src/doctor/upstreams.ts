import type { Config } from '@bora/server/config/config';
import type { UpstreamStatus } from '@bora/server/upstreams/upstreams';
import { modelsText } from '../models-text.ts';
import type { Finding } from './finding.ts';

/** Whether the upstreams of the configuration answer, and with which models. */
export async function checkUpstreams(config: Config, signal: AbortSignal): Promise<Finding[]> {
  const { lookAtUpstreams } = await import('@bora/server');
  const upstreams = await lookAtUpstreams(config, signal);
  if (upstreams.length > 0) return upstreams.map(findingOf);
  return [
    {
      check: 'upstreams',
      state: 'warn',
      detail: 'none is configured: jobs are accepted and wait',
      whatToDo: 'Name one with BORA_UPSTREAM=http://localhost:8000, or describe several in bora.yaml.',
    },
  ];
}

function findingOf({ name, url, state, reason, serves }: UpstreamStatus): Finding {
  const check = 'upstream';
  if (state !== 'up')
    return {
      check,
      state: 'fail',
      detail: `${name} is ${state}${reason === null ? '' : `: it ${reason}`}`,
      whatToDo: `Look at the server on ${url}, and at its address and key here. Jobs wait for it meanwhile.`,
    };
  const models = serves === 'any' ? ['*'] : serves;
  if (models.length > 0)
    return { check, state: 'ok', detail: `${name} is up and serves ${modelsText(models)}` };
  return {
    check,
    state: 'warn',
    detail: `${name} is up, but names no model`,
    whatToDo: 'Name the models it serves under `models` in bora.yaml.',
  };
}
