import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobView } from '../src/api/mistral/job-view.ts';
import type { BatchRecord, ParkedShards } from '../src/storage/ports/batch-records.ts';

const UPSTREAMS = {
  whyWaiting: (route: string): string | null =>
    route === 'x' || route === 'y' ? `${route} is down since now.` : null,
};

function waiting(
  parked: readonly ParkedShards[],
  routes: readonly string[] | null,
): readonly string[] | undefined {
  const batch = { inputFileIds: [], errors: [], state: 'running', model: null, endpoint: '', parked, routes };
  return jobView(batch as unknown as BatchRecord, UPSTREAMS as Parameters<typeof jobView>[1]).bora?.waiting;
}

test('a job names each route that a parked shard waits for, as it is now, once', () => {
  const parked = [
    { routes: ['x', 'y'], reason: 'x is down since 1 s. y is down since 2 s.', shards: 2 },
    { routes: ['y'], reason: 'y is down since 9 s.', shards: 1 },
  ];
  const both = ['x is down since now.', 'y is down since now.'];
  assert.deepEqual(waiting(parked, null), both);
  assert.deepEqual(waiting(parked, ['z', 'y', 'x']), both);
});

test('a job shows why a shard waits for a time in the words with which it was set aside', () => {
  assert.deepEqual(waiting([{ routes: null, reason: 'Its input cannot be read.', shards: 1 }], ['z']), [
    'Its input cannot be read.',
  ]);
});
