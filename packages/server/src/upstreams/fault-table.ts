import type { NetworkFailure } from './network-failures.ts';

/**
 * Whose fault is it? The one place that says what a failed attempt means for its line and for the upstream. Two rules are
 * behind all rows: a line fails only for a reason of its own, and one line must never stop an upstream for all others.
 */

/** What was seen of a failed attempt, and around it. */
export interface Observation {
  readonly symptom: Symptom;
  /** While the attempt was under way the upstream answered another request of the model; or since this request first
   * failed there. */
  readonly answeredMeanwhile: boolean;
  /** Since this request first failed, the model has answered others that were sent after that. */
  readonly answeredSince: boolean;
  /** Since the model's last answer a different request failed in the same way (see `familyOf`). */
  readonly failedAlike: boolean;
  /** Since the model's last answer this very request failed in the same way, and no other did. */
  readonly again: boolean;
  /** No other attempt was in flight on the upstream at any time during this one. */
  readonly alone: boolean;
  /** Other attempts were in flight on the upstream, and each of them broke off too. */
  readonly allBroke: boolean;
  /** What `GET /v1/models` said just after it; `unknown` if the upstream has no such list or was not asked. */
  readonly listing: 'answers' | 'refused-alike' | 'silent' | 'unknown';
  /** Whether that list names the model; null if there is no list to tell. */
  readonly modelListed: boolean | null;
  /** Whether it has the endpoint at all: it has answered there, or refuses an empty request otherwise than by 404. Null if not known. */
  readonly endpointThere: boolean | null;
}

/** An HTTP status, a broken call, or an answer with status 2xx that is none. */
export type Symptom =
  | number
  | NetworkFailure
  /** Any status with a body that says the account's quota or credit is used up. */
  | 'quota'
  /** 2xx, but not one JSON object in UTF-8. */
  | 'not-json'
  /** 2xx, but every choice says `finish_reason` `abort` or `error`. */
  | 'aborted'
  | 'too-large';

/**
 * - `fail`: it ends now, with what came.
 * - `count`: tried again after a backoff; the third counted attempt ends it. `count-slowly`: with a longer backoff.
 * - `count-alone`: the same, but an attempt that was not alone never ends it: then it is treated as after a crash.
 * - `crash`: tried again, and it is remembered that it was in flight when the upstream crashed: after two crashes it runs alone.
 * - `crash-alone`: the same, and a third crash ends it as poison.
 * - `wait`: tried again, never counted.
 * - `resend`: again at once on another connection, inside the same attempt, never counted.
 */
export type LineAction =
  | 'fail'
  | 'count'
  | 'count-slowly'
  | 'count-alone'
  | 'crash'
  | 'crash-alone'
  | 'wait'
  | 'resend';

/**
 * - `shrink`: the window halves; the upstream is left alone for as long as it says, or, once the window is 1, for a
 *   growing moment.
 * - `suspect`: remembered; if another request fails alike before an answer comes, it is the upstream.
 * - `pause-…`: nothing is sent until a probe, each minute, or a person says otherwise.
 * - `down-…`: nothing is sent until a probe, from 1 s on, is answered.
 */
export type UpstreamAction =
  | 'none'
  | 'shrink'
  | 'suspect'
  | 'pause-model'
  | 'pause-endpoint'
  | 'pause-upstream'
  | 'down-model'
  | 'down-upstream';

export interface Row {
  readonly symptoms: readonly (Symptom | '3xx' | '4xx' | '5xx')[];
  readonly when: Condition;
  readonly line: LineAction;
  readonly upstream: UpstreamAction;
  readonly why: string;
}

const CONDITIONS = {
  always: () => true,
  'listing refused alike': (o) => o.listing === 'refused-alike',
  'listing silent': (o) => o.listing === 'silent',
  // One that others crash too, with no answer in between, may crash whatever it is asked; so may one that fails.
  'listing silent, alone, not so for others': (o) =>
    o.listing === 'silent' && o.alone && (o.answeredMeanwhile || !o.failedAlike),
  'all broke off': (o) => o.allBroke,
  'model not listed': (o) => o.modelListed === false,
  'endpoint not there': (o) => o.endpointThere === false,
  'others answered': (o) => o.answeredMeanwhile,
  'others answered since': (o) => o.answeredSince,
  'others failed alike': (o) => o.failedAlike,
  'this one again': (o) => o.again,
} satisfies Record<string, (o: Observation) => boolean>;
export type Condition = keyof typeof CONDITIONS;

const REFUSALS = [401, 402, 403, 407, 'quota', '3xx'] as const;
const CRASHES = ['reset', 'cut'] as const;
const BREAKDOWNS = [408, 409, 425, '5xx', 'timeout', ...CRASHES, 'not-json', 'aborted'] as const;

// prettier-ignore
/** The first row that fits decides. Exact symptoms stand before the classes (`4xx`) that contain them. */
export const FAULT_TABLE: readonly Row[] = [
  // Load. Never the line's.
  { symptoms: [429, 503, 529], when: 'always', line: 'wait', upstream: 'shrink', why: 'It says that it has too much to do.' },
  { symptoms: ['local'], when: 'always', line: 'wait', upstream: 'shrink', why: 'This machine has no sockets left; fewer attempts need fewer.' },
  { symptoms: ['refused', 'dns', 'unreachable', 'tls'], when: 'always', line: 'wait', upstream: 'down-upstream', why: 'The request never reached it.' },

  // Of the line: it would be refused again.
  { symptoms: [404], when: 'model not listed', line: 'wait', upstream: 'pause-model', why: 'The model is gone, for every line.' },
  { symptoms: [404, 405], when: 'endpoint not there', line: 'wait', upstream: 'pause-endpoint', why: 'It does not serve the endpoint, whatever it is asked there.' },
  { symptoms: [400, 404, 405, 413, 415, 422, 501], when: 'always', line: 'fail', upstream: 'none', why: 'It understood this request and will not do it.' },
  { symptoms: ['too-large'], when: 'always', line: 'fail', upstream: 'none', why: 'The answer would be as large again.' },

  // Refused: key, credit, permission, wrong address. One refused request may be refused for what it asks.
  { symptoms: REFUSALS, when: 'listing refused alike', line: 'wait', upstream: 'pause-upstream', why: 'It refuses even to list its models.' },
  { symptoms: [403], when: 'others answered since', line: 'count-slowly', upstream: 'none', why: 'It took others that came later; slowly, as a lost permission may not be known everywhere at once.' },
  { symptoms: REFUSALS, when: 'others failed alike', line: 'wait', upstream: 'pause-model', why: 'A second, different request was refused the same way.' },
  { symptoms: REFUSALS, when: 'always', line: 'count', upstream: 'suspect', why: 'So far it refuses this request only.' },

  // Breakdowns. The line's if the upstream works for others.
  { symptoms: ['stale'], when: 'always', line: 'resend', upstream: 'none', why: 'The upstream closed an idle connection; it never saw the request.' },
  { symptoms: CRASHES, when: 'listing silent, alone, not so for others', line: 'crash-alone', upstream: 'down-upstream', why: 'It died over this one request, and not over others.' },
  { symptoms: CRASHES, when: 'listing silent', line: 'crash', upstream: 'down-upstream', why: 'It died, and any of those in flight may be why.' },
  { symptoms: CRASHES, when: 'all broke off', line: 'crash', upstream: 'down-model', why: 'It died and is back already.' },
  { symptoms: BREAKDOWNS, when: 'listing silent, alone, not so for others', line: 'count', upstream: 'down-upstream', why: 'It fell silent over this one request, and not over others.' },
  { symptoms: BREAKDOWNS, when: 'listing silent', line: 'wait', upstream: 'down-upstream', why: 'It fell silent, and any of those in flight may be why.' },
  { symptoms: CRASHES, when: 'others answered', line: 'count-alone', upstream: 'none', why: 'It works for others, but one that it dies over takes those in flight beside it along.' },
  { symptoms: BREAKDOWNS, when: 'others answered', line: 'count', upstream: 'none', why: 'It works for others.' },
  { symptoms: CRASHES, when: 'others failed alike', line: 'crash', upstream: 'down-model', why: 'It breaks off whatever it is asked.' },
  { symptoms: BREAKDOWNS, when: 'others failed alike', line: 'wait', upstream: 'down-model', why: 'It fails whatever it is asked.' },
  { symptoms: BREAKDOWNS, when: 'this one again', line: 'count-slowly', upstream: 'none', why: 'Nobody else is there to ask, and it still lists its models.' },
  { symptoms: BREAKDOWNS, when: 'always', line: 'wait', upstream: 'suspect', why: 'Once is not enough to say whose fault it is.' },

  { symptoms: ['4xx'], when: 'always', line: 'fail', upstream: 'none', why: 'The client is at fault, says HTTP, and the client is this line.' },
];

/** Whether the symptom is one with which an upstream's death is seen. */
export function isCrash(symptom: Symptom): boolean {
  return fits(CRASHES, symptom);
}

export function decide(observation: Observation): Row {
  const row = FAULT_TABLE.find(
    ({ symptoms, when }) => fits(symptoms, observation.symptom) && CONDITIONS[when](observation),
  );
  if (row === undefined) throw new Error(`The fault table has no row for ${observation.symptom}.`);
  return row;
}

function fits(symptoms: Row['symptoms'], symptom: Symptom): boolean {
  if (symptoms.includes(symptom)) return true;
  if (typeof symptom !== 'number') return false;
  return symptoms.includes(`${Math.floor(symptom / 100)}xx` as '5xx');
}

/** Failures of one family are evidence for each other. */
export type FailureFamily = 'refusal' | 'breakdown';

/** Null where the table asks for no evidence. */
export function familyOf(symptom: Symptom): FailureFamily | null {
  const first = FAULT_TABLE.find(({ symptoms }) => fits(symptoms, symptom))?.symptoms;
  if (first === REFUSALS) return 'refusal';
  return first === BREAKDOWNS || first === CRASHES ? 'breakdown' : null;
}

/** A line's counted attempts end with this one. */
export const MAX_FAULTS = 3;

/** A line that was in flight in so many crashes may be why, and runs with nothing else in flight; one more, alone, ends it. */
export const SUSPECT_CRASHES = 2;
