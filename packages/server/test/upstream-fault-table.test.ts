import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide, familyOf, FAULT_TABLE } from '../src/upstreams/fault-table.ts';
import type { Observation, Row, Symptom } from '../src/upstreams/fault-table.ts';
import { verdictOf } from '../src/upstreams/verdicts.ts';

const QUIET: Omit<Observation, 'symptom'> = {
  answeredMeanwhile: false,
  answeredSince: false,
  failedAlike: false,
  again: false,
  alone: false,
  allBroke: false,
  listing: 'answers',
  modelListed: true,
  endpointThere: null,
};

const CRASHES: readonly Symptom[] = ['reset', 'cut'];
const SURVIVED: readonly Symptom[] = [408, 409, 425, 500, 502, 504, 520, 'timeout', 'not-json', 'aborted'];
const BREAKDOWNS: readonly Symptom[] = [...SURVIVED, ...CRASHES];
const REFUSALS: readonly Symptom[] = [301, 401, 402, 403, 407, 'quota'];

/** Symptoms, what else was seen, and what follows for the line and for the upstream. */
const CASES: readonly [readonly Symptom[], Partial<Observation>, Row['line'], Row['upstream']][] = [
  [[429, 503, 529], {}, 'wait', 'shrink'],
  [[429, 503, 529], { answeredMeanwhile: true, alone: true, again: true }, 'wait', 'shrink'],
  [['local'], {}, 'wait', 'shrink'],
  [['refused', 'dns', 'unreachable', 'tls'], {}, 'wait', 'down-upstream'],
  [['refused', 'dns', 'unreachable', 'tls'], { answeredMeanwhile: true }, 'wait', 'down-upstream'],
  [[400, 405, 413, 415, 422, 501, 406, 418, 451], {}, 'fail', 'none'],
  [[404], { modelListed: true }, 'fail', 'none'],
  [[404], { modelListed: null }, 'fail', 'none'],
  [[404], { modelListed: false }, 'wait', 'pause-model'],
  [[404, 405], { endpointThere: true }, 'fail', 'none'],
  [[404, 405], { endpointThere: false }, 'wait', 'pause-endpoint'],
  [['too-large'], {}, 'fail', 'none'],
  [REFUSALS, {}, 'count', 'suspect'],
  [REFUSALS, { again: true }, 'count', 'suspect'],
  [REFUSALS, { failedAlike: true }, 'wait', 'pause-model'],
  [REFUSALS, { failedAlike: true, answeredMeanwhile: true }, 'wait', 'pause-model'],
  [[403], { failedAlike: true, answeredSince: true }, 'count-slowly', 'none'],
  [[301, 401, 402, 407, 'quota'], { failedAlike: true, answeredSince: true }, 'wait', 'pause-model'],
  [REFUSALS, { listing: 'refused-alike' }, 'wait', 'pause-upstream'],
  [REFUSALS, { listing: 'refused-alike', answeredSince: true }, 'wait', 'pause-upstream'],
  [['stale'], {}, 'resend', 'none'],
  [BREAKDOWNS, {}, 'wait', 'suspect'],
  [SURVIVED, { answeredMeanwhile: true }, 'count', 'none'],
  [SURVIVED, { answeredMeanwhile: true, failedAlike: true }, 'count', 'none'],
  [CRASHES, { answeredMeanwhile: true }, 'count-alone', 'none'],
  [CRASHES, { answeredMeanwhile: true, failedAlike: true }, 'count-alone', 'none'],
  [BREAKDOWNS, { again: true }, 'count-slowly', 'none'],
  [SURVIVED, { failedAlike: true }, 'wait', 'down-model'],
  [SURVIVED, { listing: 'silent' }, 'wait', 'down-upstream'],
  [SURVIVED, { listing: 'silent', answeredMeanwhile: true }, 'wait', 'down-upstream'],
  [SURVIVED, { listing: 'silent', alone: true }, 'count', 'down-upstream'],
  [SURVIVED, { listing: 'silent', alone: true, failedAlike: true }, 'wait', 'down-upstream'],
  [
    SURVIVED,
    { listing: 'silent', alone: true, failedAlike: true, answeredMeanwhile: true },
    'count',
    'down-upstream',
  ],
  [CRASHES, { failedAlike: true }, 'crash', 'down-model'],
  [CRASHES, { failedAlike: true, alone: true }, 'crash', 'down-model'],
  [CRASHES, { allBroke: true }, 'crash', 'down-model'],
  [CRASHES, { allBroke: true, answeredMeanwhile: true }, 'crash', 'down-model'],
  [CRASHES, { listing: 'silent' }, 'crash', 'down-upstream'],
  [CRASHES, { listing: 'silent', answeredMeanwhile: true }, 'crash', 'down-upstream'],
  [CRASHES, { listing: 'silent', alone: true }, 'crash-alone', 'down-upstream'],
  [CRASHES, { listing: 'silent', alone: true, failedAlike: true }, 'crash', 'down-upstream'],
  [
    CRASHES,
    { listing: 'silent', alone: true, failedAlike: true, answeredMeanwhile: true },
    'crash-alone',
    'down-upstream',
  ],
];

for (const [symptoms, seen, line, upstream] of CASES) {
  const around = JSON.stringify(seen);
  test(`${symptoms.join(', ')} with ${around}: the line ${line}, the upstream ${upstream}`, () => {
    for (const symptom of symptoms) {
      const row = decide({ symptom, ...QUIET, ...seen });
      assert.deepEqual({ symptom, line: row.line, upstream: row.upstream }, { symptom, line, upstream });
    }
  });
}

test('every row of the table is reached by a case above and gives its reason', () => {
  const reached = CASES.flatMap(([symptoms, seen]) =>
    symptoms.map((symptom) => decide({ symptom, ...QUIET, ...seen })),
  );
  for (const row of FAULT_TABLE) {
    assert.ok(reached.includes(row), `not reached: ${row.symptoms.join()} when ${row.when}`);
    assert.match(row.why, /\.$/);
  }
});

test('every status from 300 to 599 has a row', () => {
  for (let symptom = 300; symptom < 600; symptom += 1) assert.ok(decide({ symptom, ...QUIET }));
});

test('refusals and breakdowns are evidence, load and the fault of a line are none', () => {
  for (const symptom of REFUSALS) assert.equal(familyOf(symptom), 'refusal');
  for (const symptom of BREAKDOWNS) assert.equal(familyOf(symptom), 'breakdown');
  for (const symptom of [429, 503, 529, 400, 404, 501, 'refused', 'too-large'] as const) {
    assert.equal(familyOf(symptom), null);
  }
});

const HALF = (): number => 0;
const FULL = (): number => 1;

function verdict(
  symptom: Symptom,
  seen: Partial<Observation>,
  faults: number,
  body = '',
  random = FULL,
  crashes = 0,
) {
  const status = typeof symptom === 'number' ? symptom : symptom === 'not-json' ? 200 : 0;
  const failure = { symptom, status, body: Buffer.from(body), reason: 'why' };
  const observed = { symptom, ...QUIET, ...seen };
  return verdictOf(decide(observed), failure, { faults, crashes, alone: observed.alone }, random);
}

function failedBody(result: ReturnType<typeof verdict>): Record<string, unknown> {
  assert.equal(result.kind, 'failed');
  return JSON.parse(Buffer.from(result.body).toString()) as Record<string, unknown>;
}

test('a connection that breaks while others are answered ends a line only if it was alone', () => {
  for (const symptom of ['reset', 'cut'] as const) {
    const seen = { answeredMeanwhile: true, alone: false };
    const counted = verdict(symptom, seen, 1);
    assert.deepEqual([counted.kind === 'retry' && counted.countsAgainstLine], [true]);
    const spared = verdict(symptom, seen, 2);
    assert.equal(spared.kind === 'retry' && !spared.countsAgainstLine && spared.crashed, true);
    assert.equal(verdict(symptom, { ...seen, alone: true }, 2).kind, 'failed');
  }
});

test('counted attempts back off twice as long each time, with jitter, and the third ends the line', () => {
  const seen = { answeredMeanwhile: true };
  const retry = { kind: 'retry', countsAgainstLine: true, crashed: false, reason: 'why' };
  assert.deepEqual(verdict(500, seen, 0), { ...retry, afterMs: 1000 });
  assert.deepEqual(verdict(500, seen, 1), { ...retry, afterMs: 2000 });
  assert.deepEqual(verdict(500, seen, 0, '', HALF), { ...retry, afterMs: 500 });
  assert.deepEqual(verdict(500, seen, 2, '{"error": {"message":"x"}}'), {
    kind: 'failed',
    status: 500,
    body: Buffer.from('{"error": {"message":"x"}}'),
    reason: 'HTTP Error, status code: 500',
  });
});

test('what does not count never ends a line, however often it happens', () => {
  for (const symptom of [429, 503, 'refused', 'reset'] as const) {
    const result = verdict(symptom, { failedAlike: true }, 2, '', FULL, 9);
    const crashed = symptom === 'reset';
    assert.deepEqual(result, { kind: 'retry', afterMs: 0, countsAgainstLine: false, crashed, reason: 'why' });
  }
});

test('a line that ends without an error status of the upstream gets a permanent code', () => {
  const seen = { answeredMeanwhile: true, alone: true };
  const codes = (['timeout', 'reset', 'cut', 'not-json', 'aborted', 'too-large'] as const).map((symptom) => {
    const result = verdict(symptom, seen, 2);
    const body = failedBody(result);
    assert.deepEqual(Object.keys(body), ['object', 'message', 'type', 'param', 'code']);
    const { status, unanswered } = result as {
      status: number;
      unanswered?: { code: string; message: string };
    };
    if (unanswered !== undefined) assert.deepEqual(unanswered, { code: body.code, message: body.message });
    return [symptom, status, body.code, unanswered === undefined ? 'answered' : 'unanswered'];
  });
  assert.deepEqual(codes, [
    ['timeout', 504, 'request_timeout', 'unanswered'],
    ['reset', 502, 'upstream_reset', 'unanswered'],
    ['cut', 502, 'upstream_reset', 'unanswered'],
    ['not-json', 502, 'invalid_answer', 'answered'],
    ['aborted', 502, 'generation_aborted', 'answered'],
    ['too-large', 502, 'answer_too_large', 'answered'],
  ]);
});

test('a line alone in flight when its upstream crashes for the third time is poison', () => {
  const crash = (seen: Partial<Observation>, crashes: number) =>
    verdict('reset', { listing: 'silent', ...seen }, 0, '', FULL, crashes);
  assert.equal(failedBody(crash({ alone: true }, 2)).code, 'poison');
  assert.equal(crash({ alone: true }, 1).kind, 'retry');
  assert.equal(crash({ alone: false }, 9).kind, 'retry');
});

test('an error body that is not JSON is quoted in one that is', () => {
  const body = failedBody(verdict(413, {}, 0, '<html>\nToo "large"</html>'));
  assert.equal(body.message, 'The upstream answered HTTP 413. Its text: <html>\nToo "large"</html>');
  assert.equal(body.code, 'upstream_error');
  assert.match(String(failedBody(verdict(400, {}, 0)).message), /The body was empty/);
});

test('an error body of several lines becomes one line', () => {
  const result = verdict(400, {}, 0, '{\n  "detail": "a\\nb"\r\n}\n');
  assert.equal(result.kind, 'failed');
  assert.equal(Buffer.from(result.body).toString(), '{   "detail": "a\\nb"  }');
});
