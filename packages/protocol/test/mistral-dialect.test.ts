import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileListQuery, fileUploadFields, signedUrlQuery } from '@bora/protocol/mistral-files';
import { batchJobListQuery, createBatchJob, hoursOfCompletionWindow } from '@bora/protocol/mistral-jobs';
import { resultLine } from '@bora/protocol/mistral-lines';

const FILE = '0F8FAD5B-D9CB-469F-A165-70867728950E';

test('a create call may say null for every optional member, as the Python SDK does', () => {
  const created = createBatchJob.parse({
    endpoint: '/v1/chat/completions',
    input_files: [FILE],
    requests: null,
    model: null,
    agent_id: null,
    metadata: null,
    timeout_hours: null,
  });
  assert.deepEqual(created.input_files, [FILE.toLowerCase()]);
  assert.equal(created.model, null);
});

test('a create call is refused out of range', () => {
  const base = { endpoint: '/v1/embeddings', input_files: [FILE] };
  for (const bad of [
    { timeout_hours: 0 },
    { timeout_hours: 169 },
    { timeout_hours: 1.5 },
    { endpoint: '/v1/responses' },
    { input_files: ['abc'] },
    { metadata: { ['k'.repeat(33)]: 'v' } },
    { metadata: { k: '' } },
    { metadata: { k: 1 } },
    { completion_window: 'soon' },
  ])
    assert.equal(createBatchJob.safeParse({ ...base, ...bad }).success, false, JSON.stringify(bad));
  assert.equal(createBatchJob.safeParse({ ...base, timeout_hours: 168, color: 'blue' }).success, true);
});

test('a completion window is read in hours', () => {
  assert.equal(hoursOfCompletionWindow('24h'), 24);
  assert.equal(hoursOfCompletionWindow('7d'), 168);
});

test('list parameters are read repeated, comma-joined, in any case, and null as absent', () => {
  const repeated = batchJobListQuery.parse({ status: ['RUNNING', 'queued'], page: '2' });
  assert.deepEqual(repeated.status, ['RUNNING', 'QUEUED']);
  assert.equal(repeated.page, 2);
  assert.equal(repeated.page_size, 100);
  assert.deepEqual(batchJobListQuery.parse({ status: 'SUCCESS,FAILED' }).status, ['SUCCESS', 'FAILED']);
  assert.equal(batchJobListQuery.parse({ status: 'null' }).status, undefined);
  assert.equal(batchJobListQuery.safeParse({ status: 'DONE' }).success, false);
});

test('booleans are read as SDKs and as Delphi write them', () => {
  assert.equal(batchJobListQuery.parse({ created_by_me: 'True' }).created_by_me, true);
  assert.equal(fileListQuery.parse({ include_total: 'false' }).include_total, false);
  assert.equal(fileListQuery.safeParse({ include_total: 'maybe' }).success, false);
});

test('dates are read with zone, without zone and without time', () => {
  for (const date of [
    '2024-05-01T10:00:00.000Z',
    '2024-05-01T10:00:00',
    '2024-05-01',
    '2024-05-01T10:00:00+02:00',
  ])
    assert.equal(batchJobListQuery.parse({ created_after: date }).created_after, date);
  assert.equal(batchJobListQuery.safeParse({ created_after: 'yesterday' }).success, false);
});

test('a signed link works for 1 to 168 hours', () => {
  assert.equal(signedUrlQuery.parse({}).expiry, 24);
  assert.equal(signedUrlQuery.safeParse({ expiry: '0' }).success, false);
  assert.equal(signedUrlQuery.safeParse({ expiry: '169' }).success, false);
});

test('an unknown purpose is refused, a missing one is left to the file name', () => {
  assert.equal(fileUploadFields.parse({}).purpose, undefined);
  assert.equal(fileUploadFields.safeParse({ purpose: 'holiday' }).success, false);
});

test('both known shapes of a failed line are result lines', () => {
  const asString = {
    id: 'batch-1-2-0',
    custom_id: 'a',
    response: { status_code: 400, body: '{"message":"no"}' },
    error: null,
  };
  const bare = { id: 'batch-1-2-1', custom_id: null, error: '1 validation error' };
  assert.equal(resultLine.safeParse(asString).success, true);
  assert.equal(resultLine.safeParse(bare).success, true);
});
