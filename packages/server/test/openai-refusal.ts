import assert from 'node:assert/strict';
import { openAiErrorBody } from '@bora/protocol/openai-errors';
import { rawCall } from '@bora/testkit/hostile/raw-call';
import type { RawAnswer } from '@bora/testkit/hostile/raw-call';

export interface Refusal {
  readonly status: number;
  /** Of its code and its error. */
  readonly wanted: RegExp;
}

/** Refused in OpenAI's shape, briefly, for what is wanted; and of all that `traces` tells nothing has changed. */
export async function assertOpenAiRefusal(
  url: string,
  bytes: Uint8Array,
  { status, wanted }: Refusal,
  traces: () => Promise<object>,
): Promise<void> {
  const had = await traces();
  const answer = (await rawCall(url, bytes)) as RawAnswer;
  assert.equal(answer.status, status, answer.body.slice(0, 1_000));
  assert.ok(answer.body.length < 6_000, `the answer is short, not of ${answer.body.length} characters`);
  const { error, bora } = openAiErrorBody.parse(JSON.parse(answer.body));
  assert.match(`${bora?.code} ${JSON.stringify(error)}`, wanted);
  assert.match(answer.head, /x-should-retry: false/);
  assert.deepEqual(await traces(), had);
}
