import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { BoraClient } from '@bora/client';
import { BoraError, CLIENT_ERROR_CODES } from '@bora/client/bora-error';
import { JobNotEnded } from '@bora/client/not-yet';
import { outcomeOf } from '@bora/client/outcome';
import { WaitTimeout } from '@bora/client/wait';
import { collect } from './collect.ts';
import { sampleJob } from './sample-job.ts';

/** The error of a call that is answered so. */
async function errorOf(answer: Response): Promise<BoraError> {
  const client = new BoraClient({ fetch: () => Promise.resolve(answer), maxRetries: 0 });
  const error = await client.jobs.get('x').then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof BoraError, String(error));
  return error;
}

test('every shape of an error body gives a code and a sentence', async () => {
  const cases: readonly [unknown, string, RegExp][] = [
    [{ detail: 'Not so.', bora: { code: 'no_model' } }, 'no_model', /: Not so\.$/],
    [{ detail: 'Not Found', message: 'There is no GET /x here.' }, 'refused', /Not Found There is no GET/],
    [
      { detail: [{ loc: ['body', 'model'], msg: 'Field required', type: 'missing' }] },
      'refused',
      /: body\.model: Field required\.$/,
    ],
    [{ detail: [{ loc: [], msg: 'All wrong', type: 'x' }] }, 'refused', /: All wrong\.$/],
    [
      { object: 'error', message: 'Slow down', type: 'rate_limit', param: null, code: '1300' },
      '1300',
      /: Slow down\.$/,
    ],
    [{ error: { message: 'No such model', type: 'x', code: 'model_404' } }, 'model_404', /No such model\.$/],
    [{ error: 'bad gateway' }, 'refused', /: bad gateway\.$/],
    ['<html>Bad Gateway</html>', 'refused', /<html>Bad Gateway/],
    [['odd'], 'refused', /\["odd"\]/],
    [{}, 'refused', /\{\}\.$/],
  ];
  for (const [body, code, message] of cases) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const error = await errorOf(new Response(text, { status: 400, headers: { 'x-request-id': 'r-1' } }));
    assert.deepEqual([error.code, error.status, error.requestId], [code, 400, 'r-1'], text);
    assert.match(error.message, message);
    assert.deepEqual(error.body, body);
  }
});

test('an answer of success that is no JSON is said to come from something else', async () => {
  const error = await errorOf(new Response('<html>Welcome</html>'));
  assert.deepEqual([error.code, error.status, error.transient], ['unexpected_answer', 200, false]);
  assert.match(error.message, /"<html>Welcome<\/html>".*Is http:\/\/127\.0\.0\.1:2672 the address of Bora\?/);
});

test('the results of a job that has not ended are refused with its status', async () => {
  const { jobs } = new BoraClient({ fetch: () => assert.fail('nothing is asked for') });
  for (const status of ['QUEUED', 'RUNNING', 'CANCELLATION_REQUESTED'] as const) {
    const job = sampleJob({ status, total_requests: 7, completed_requests: 3 });
    for (const read of [() => collect(jobs.results(job)), () => collect(jobs.resultLines(job))]) {
      await assert.rejects(read(), (error: JobNotEnded) => {
        assert.ok(error instanceof JobNotEnded && error instanceof BoraError);
        assert.deepEqual([error.code, error.job.status, error.status], ['job_not_ended', status, null]);
        assert.match(error.message, /3 of 7 requests done/);
        return true;
      });
    }
  }
});

test('a result line that is cut off is said to be', () => {
  const bytes = new TextEncoder().encode('{"id":"batch-');
  assert.throws(() => outcomeOf({ file: 'output', ordinal: null, bytes }), { code: 'bad_result_line' });
});

test('all errors are BoraErrors that know their kind', () => {
  const errors = [new WaitTimeout(5, null), new JobNotEnded(sampleJob())];
  assert.deepEqual(
    errors.map(({ name, code, transient }) => [name, code, transient]),
    [
      ['WaitTimeout', 'wait_timeout', false],
      ['JobNotEnded', 'job_not_ended', false],
    ],
  );
  for (const error of errors) assert.ok(error instanceof BoraError);
});

test('the page of errors lists exactly the codes of the client', async () => {
  const page = await readFile(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  const section = page.split('\n## ').find((part) => part.startsWith('Of the typed client')) ?? '';
  const listed = [...section.matchAll(/^\| `([a-z_]+)`/gm)].map(([, code]) => code);
  assert.deepEqual(listed, [...CLIENT_ERROR_CODES]);
});
