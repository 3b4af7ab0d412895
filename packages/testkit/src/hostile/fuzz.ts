import assert from 'node:assert/strict';
import { ERROR_CODES } from '@bora/server/api/error-codes';
import fc from 'fast-check';
import { strangeCall, strangeCreate, strangeForm } from './arbitraries.ts';
import { FORM_TYPE } from './form.ts';
import type { RawAnswer } from './raw-call.ts';
import { bytesOfCall, rawCall } from './raw-call.ts';
import { tracesIn } from './traces.ts';

/** A Bora of this process. Nobody else may call it meanwhile, and its upstreams serve any model. */
export interface Target {
  readonly url: string;
  readonly dataFolder: string;
}

export interface FuzzOptions {
  readonly runs: number;
  /** Chosen and told by fast-check where it is absent. */
  readonly seed?: number;
}

/** How often each status was answered. */
export type Statuses = Map<number | null, number>;

/** What is larger lies in a blob on the disk. */
const INLINE_BYTES = 64 * 1024;

/** Uploads of strange forms: each is answered, by a file or by a refusal that is the client's fault, and only files stay. */
export async function fuzzForms(target: Target, options: FuzzOptions): Promise<Statuses> {
  const blobsBefore = tracesIn(target.dataFolder).files;
  const rowsBefore = await totalOf(target, '/v1/files');
  let rows = 0;
  let blobs = 0;
  return fuzz(strangeForm, options, async (pieces) => {
    const call = bytesOfCall('/v1/files', Buffer.concat(pieces), FORM_TYPE);
    const head = call.subarray(0, call.indexOf('\r\n\r\n') + 4);
    const answer = await rawCall(target.url, head, ...pieces);
    const body = assertCalm(answer, [200, 400, 422]) as { bytes: number };
    if (answer?.status === 200) {
      rows += 1;
      if (body.bytes > INLINE_BYTES) blobs += 1;
    }
    assert.deepEqual(tracesIn(target.dataFolder), { files: blobsBefore + blobs, handles: 0 });
    if (answer?.status !== 200) assert.equal(await totalOf(target, '/v1/files'), rowsBefore + rows);
    return answer;
  });
}

/** Create calls with strange bodies: a refused one leaves no job, and no file of its requests. */
export async function fuzzCreates(target: Target, options: FuzzOptions): Promise<Statuses> {
  const before = { files: await totalOf(target, '/v1/files'), jobs: await totalOf(target, '/v1/batch/jobs') };
  let jobs = 0;
  return fuzz(strangeCreate, options, async (bytes) => {
    const answer = await rawCall(target.url, bytesOfCall('/v1/batch/jobs', bytes));
    assertCalm(answer, [200, 404, 413, 422]);
    if (answer?.status === 200) jobs += 1;
    const now = { files: await totalOf(target, '/v1/files'), jobs: await totalOf(target, '/v1/batch/jobs') };
    assert.deepEqual(now, { files: before.files + jobs, jobs: before.jobs + jobs });
    return answer;
  });
}

/** Strange calls that change nothing. What is no HTTP may be answered by closing. */
export function fuzzCalls(target: Target, options: FuzzOptions): Promise<Statuses> {
  return fuzz(strangeCall, options, async (bytes) => {
    // Most calls end with this, whatever became of their own end. The others are ended by Bora, once they stall.
    const answer = await rawCall(target.url, Buffer.concat([bytes, Buffer.from('\r\n\r\n')]));
    assert.ok(answer === null || answer.status < 500, answer?.body);
    assert.equal(tracesIn(target.dataFolder).handles, 0);
    return answer;
  });
}

async function fuzz<Input>(
  inputs: fc.Arbitrary<Input>,
  { runs, seed }: FuzzOptions,
  call: (input: Input) => Promise<RawAnswer | null>,
): Promise<Statuses> {
  const statuses: Statuses = new Map();
  await fc.assert(
    fc.asyncProperty(inputs, async (input) => {
      const status = (await call(input))?.status ?? null;
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }),
    // What was taken stays taken, so a failure cannot be made smaller by trying again.
    { numRuns: runs, endOnFailure: true, ...(seed === undefined ? {} : { seed }) },
  );
  return statuses;
}

function assertCalm(answer: RawAnswer | null, expected: readonly number[]): unknown {
  assert.ok(answer !== null, 'there is an answer');
  assert.ok(expected.includes(answer.status), `${answer.status}: ${answer.body}`);
  const body = JSON.parse(answer.body) as { bora?: { code: string } };
  if (answer.status >= 400) assert.ok((body.bora?.code ?? '') in ERROR_CODES, answer.body);
  return body;
}

async function totalOf({ url }: Target, path: string): Promise<number> {
  const response = await fetch(`${url}${path}?page_size=1`);
  return ((await response.json()) as { total: number }).total;
}
