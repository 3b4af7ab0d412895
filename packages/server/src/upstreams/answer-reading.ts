import { checkAnswer } from '../bytes/answer-check.ts';
import { usageOf } from '../bytes/read-usage.ts';
import type { Usage } from '../bytes/read-usage.ts';
import { errorMessage, isAborted, parsed, saysQuotaIsUsedUp, usageInPiece } from './answer-contents.ts';
import type { Symptom } from './fault-table.ts';
import { isSuccess } from './http-call.ts';
import type { CallResult } from './http-call.ts';
import { describeSymptom } from './reasons.ts';
import { retryAfterMs } from './retry-after.ts';
import type { Verdict } from './upstreams.ts';
import type { Failure } from './verdicts.ts';

/** What a call came to: an answer for the line, or a failure for the fault table. */
export type Reading =
  | { readonly kind: 'answer'; readonly verdict: Extract<Verdict, { kind: 'succeeded' }> }
  | ({ readonly kind: 'failure'; readonly retryAfterMs: number | null } & Failure);

const NOTHING = new Uint8Array(0);
const OPENING_BRACE = 0x7b;

/** `now` dates a Retry-After that is a date. */
export function readResult(result: CallResult, now: number): Reading {
  if (result.kind === 'broken') return failure(result.failure, 0, NOTHING, result.code);
  if (result.kind === 'too-large') return failure('too-large', result.status, NOTHING);
  if (result.kind === 'spilled') return readSpilled(result);
  return isSuccess(result.status) ? readSuccess(result) : readError(result, now);
}

/** Its finish reasons are not looked at: what generated so much was no wedged server. */
function readSpilled({ status, fault, ends }: Extract<CallResult, { kind: 'spilled' }>): Reading {
  if (fault !== null) return failure('not-json', status, NOTHING);
  const [head, tail] = ends;
  const usage = usageInPiece(tail);
  return answer(status, null, usage.inputTokens > 0 ? usage : usageInPiece(head));
}

function readSuccess({ status, bytes }: Extract<CallResult, { kind: 'answered' }>): Reading {
  const checked = checkAnswer(bytes);
  // A result line holds an object, and so do the answers of all endpoints; `null` or a bare string is some proxy's.
  if (checked.kind === 'invalid' || checked.body[0] !== OPENING_BRACE)
    return failure('not-json', status, bytes);
  const value = checked.value ?? parsed(Buffer.from(checked.body).toString());
  if (isAborted(value)) return failure('aborted', status, NOTHING);
  return answer(status, checked.body, usageOf(value));
}

function readError(
  { status, headers, bytes }: Extract<CallResult, { kind: 'answered' }>,
  now: number,
): Reading {
  const body = parsed(Buffer.from(bytes).toString());
  const message = errorMessage(body);
  return {
    ...failure(saysQuotaIsUsedUp(body) ? 'quota' : status, status, bytes, '', message),
    retryAfterMs: retryAfterMs(headers, message, now),
  };
}

function answer(status: number, body: Uint8Array | null, usage: Usage): Reading {
  return { kind: 'answer', verdict: { kind: 'succeeded', status, body, ...usage } };
}

function failure(
  symptom: Symptom,
  status: number,
  body: Uint8Array,
  code = '',
  message: string | null = null,
): Extract<Reading, { kind: 'failure' }> {
  const reason = describeSymptom(symptom, status, code, message);
  return { kind: 'failure', symptom, status, body, reason, retryAfterMs: null };
}
