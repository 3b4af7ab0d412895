import { Client } from 'undici';
import type { Clock } from '../observe/clock.ts';
import type { SignedEvent } from './signed-event.ts';

/** As Standard Webhooks advise (15 to 30 s). */
export const ANSWER_WITHIN_MS = 15_000;

/**
 * Posts an event, over a connection of its own: they come far apart, and one that is kept would often be closed at the other end. Answers
 * the status. A redirect is an answer like others, and what comes behind the head is not read.
 * @throws whatever broke the call, an Error if no answer began within 15 s, or the signal's reason.
 */
export async function postEvent(
  { origin, pathname, search }: URL,
  { body, headers }: SignedEvent,
  clock: Clock,
  signal: AbortSignal,
): Promise<number> {
  const late = new AbortController();
  const aborted = AbortSignal.any([signal, late.signal]);
  // Told to the socket too: undici's own signal is not heard before there is a connection, and a stop would wait for 10 s.
  const client = new Client(origin, { pipelining: 0, connect: { signal: aborted } });
  const cancel = clock.after(ANSWER_WITHIN_MS, () =>
    late.abort(new Error(`No answer came within ${ANSWER_WITHIN_MS / 1000} s.`)),
  );
  try {
    const answer = await client.request({
      method: 'POST',
      path: pathname + search,
      headers,
      body,
      signal: aborted,
    });
    answer.body.on('error', () => undefined).destroy();
    return answer.statusCode;
  } catch (error) {
    throw aborted.aborted ? aborted.reason : error;
  } finally {
    cancel();
    await client.destroy();
  }
}
