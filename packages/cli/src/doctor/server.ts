import type { BoraClient } from '@bora/client';
import { BoraError } from '@bora/client/bora-error';
import { countedText } from '../human-text.ts';
import type { Finding } from './finding.ts';

const ANSWERS_WITHIN_MS = 5_000;

/** Whether a Bora answers, and takes the key. `isNamed`: somebody said where it is, so that it should be there. */
export async function checkServer(
  client: BoraClient,
  isNamed: boolean,
  signal: AbortSignal,
): Promise<Finding> {
  const check = 'server';
  try {
    const { total } = await client.jobs.list(
      { page_size: 1 },
      AbortSignal.any([signal, AbortSignal.timeout(ANSWERS_WITHIN_MS)]),
    );
    return {
      check,
      state: 'ok',
      detail: `${client.baseUrl} answers, and shows ${countedText(total, 'job')}`,
    };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof BoraError && error.status === 401)
      return {
        check: 'key',
        state: 'fail',
        detail: `${client.baseUrl} does not take the key`,
        whatToDo: 'Set BORA_API_KEY, or give --api-key; bora keys create makes one.',
      };
    if (error instanceof BoraError && error.status !== null)
      return { check, state: 'fail', detail: error.message };
    return {
      check,
      state: isNamed ? 'fail' : 'warn',
      detail: `no Bora answers on ${client.baseUrl}`,
      whatToDo: 'Start one with bora serve, or say where it is with --url or BORA_URL.',
    };
  }
}
