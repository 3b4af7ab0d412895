import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusOf } from '../src/api/mistral/job-status.ts';
import { openAiStatusOf } from '../src/api/openai/batch-status.ts';
import { BATCH_STATES } from '../src/storage/ports/batch-records.ts';
import type { BatchState, EndReason } from '../src/storage/ports/batch-records.ts';

const ROWS: readonly (readonly [BatchState, EndReason | null, mistral: string, openAi: string])[] = [
  ['validating', null, 'QUEUED', 'validating'],
  ['queued', null, 'QUEUED', 'in_progress'],
  ['running', null, 'RUNNING', 'in_progress'],
  ['expiring', 'expired', 'RUNNING', 'finalizing'],
  ['cancelling', 'cancelled', 'CANCELLATION_REQUESTED', 'cancelling'],
  ['cancelling', 'expired', 'CANCELLATION_REQUESTED', 'cancelling'],
  ['finalizing', 'cancelled', 'CANCELLATION_REQUESTED', 'cancelling'],
  ['finalizing', null, 'RUNNING', 'finalizing'],
  ['finalizing', 'expired', 'RUNNING', 'finalizing'],
  ['completed', 'completed', 'SUCCESS', 'completed'],
  ['failed', 'failed', 'FAILED', 'failed'],
  ['expired', 'expired', 'TIMEOUT_EXCEEDED', 'expired'],
  ['cancelled', 'cancelled', 'CANCELLED', 'cancelled'],
];

test('each state has its status in both dialects', () => {
  for (const [state, reason, mistral, openAi] of ROWS) {
    assert.deepEqual([statusOf(state, reason), openAiStatusOf(state, reason)], [mistral, openAi], state);
  }
  assert.deepEqual([...new Set(ROWS.map(([state]) => state))].toSorted(), BATCH_STATES.toSorted());
});
