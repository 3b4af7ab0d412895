import { checkAnswer } from '../bytes/answer-check.ts';
import type { LineAction, Observation, Row, Symptom } from './fault-table.ts';
import { MAX_FAULTS, SUSPECT_CRASHES } from './fault-table.ts';
import { jitter } from './health.ts';
import type { AttemptRequest, Verdict } from './upstreams.ts';

/** A failed attempt as its line sees it. */
export interface Failure {
  readonly symptom: Symptom;
  /** The upstream's status; 0 if there was none. */
  readonly status: number;
  /** The upstream's body where the status is an error. */
  readonly body: Uint8Array;
  /** In words, to be read after the upstream's name. */
  readonly reason: string;
}

/** Backoff of a line after its first counted attempt; doubles with each. */
const BACKOFF_MS = 1_000;
const SLOW_BACKOFF_MS = 15_000;

/** What remains of an error body that is not JSON; a page of HTML tells little after that. */
const LONGEST_QUOTE = 4096;

export function verdictOf(
  row: Row,
  failure: Failure,
  { faults, crashes, alone }: Pick<AttemptRequest, 'faults' | 'crashes'> & Pick<Observation, 'alone'>,
  random: () => number,
): Exclude<Verdict, { kind: 'succeeded' }> {
  const isLast = faults + 1 >= MAX_FAULTS;
  const counts =
    row.line === 'count' || row.line === 'count-slowly' || (row.line === 'count-alone' && (alone || !isLast));
  if (row.line === 'fail' || (counts && isLast)) return failed(failure);
  if (row.line === 'crash-alone' && crashes >= SUSPECT_CRASHES)
    return { ...ended(ENDS.poison), isPoison: true };
  const afterMs = backoff(row.line, row.upstream, faults, random);
  const crashed = row.line.startsWith('crash') || (row.line === 'count-alone' && !counts);
  return { kind: 'retry', afterMs, countsAgainstLine: counts, crashed, reason: failure.reason };
}

function backoff(line: LineAction, upstream: Row['upstream'], faults: number, random: () => number): number {
  if (line === 'count-slowly') return jitter(SLOW_BACKOFF_MS * 2 ** faults, random);
  if (line === 'count' || line === 'count-alone') return jitter(BACKOFF_MS * 2 ** faults, random);
  // What was done to the upstream holds it back already; another one may take the line at once.
  return upstream === 'suspect' ? jitter(BACKOFF_MS, random) : 0;
}

/** Without an answer from which a status and a body could be shown. */
const UNANSWERED: readonly string[] = ['request_timeout', 'upstream_reset', 'poison'];

/** How a line ends whose failure came without an error status of the upstream's own. Codes are permanent. */
const ENDS = {
  timeout: [504, 'request_timeout', 'The upstream did not answer within the time for one attempt.'],
  reset: [502, 'upstream_reset', 'The upstream broke the connection before it answered.'],
  cut: [502, 'upstream_reset', 'The upstream broke the connection in the middle of its answer.'],
  poison: [502, 'poison', 'The upstream crashed each time it worked on this request.'],
  'not-json': [
    502,
    'invalid_answer',
    'The upstream answered with success, but not with one JSON object in UTF-8.',
  ],
  aborted: [502, 'generation_aborted', 'The upstream ended every choice with finish_reason abort or error.'],
  'too-large': [502, 'answer_too_large', 'The answer is larger than BORA_MAX_ANSWER_BYTES allows.'],
} as const;

type Failed = Extract<Verdict, { kind: 'failed' }>;

function failed({ symptom, status, body }: Failure): Failed {
  const end = ENDS[symptom as keyof typeof ENDS];
  if (end !== undefined) return ended(end, symptom === 'not-json' ? body : undefined);
  const checked = checkAnswer(body);
  return {
    kind: 'failed',
    status,
    body:
      checked.kind === 'ok'
        ? checked.body
        : errorBody(quoted(`The upstream answered HTTP ${status}.`, body), 'upstream_error'),
    reason: `HTTP Error, status code: ${status}`,
  };
}

function ended([status, code, what]: (typeof ENDS)[keyof typeof ENDS], quote?: Uint8Array): Failed {
  const message = quote === undefined ? what : quoted(what, quote);
  const unanswered = UNANSWERED.includes(code) ? { unanswered: { code, message } } : {};
  return { kind: 'failed', status, body: errorBody(message, code), ...unanswered, reason: what };
}

function quoted(sentence: string, body: Uint8Array): string {
  const text = Buffer.from(body.subarray(0, LONGEST_QUOTE)).toString().trim();
  return text === '' ? `${sentence} The body was empty.` : `${sentence} Its text: ${text}`;
}

function errorBody(message: string, code: string): Uint8Array {
  return Buffer.from(JSON.stringify({ object: 'error', message, type: 'upstream_error', param: null, code }));
}
