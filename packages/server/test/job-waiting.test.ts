import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorageWaits } from '../src/batches/storage-waits.ts';
import { jobView } from '../src/api/mistral/job-view.ts';
import type { BatchRecord, ParkedShards } from '../src/storage/ports/batch-records.ts';

const UPSTREAMS = {
  whyWaiting: (route: string): string | null =>
    route === 'x' || route === 'y' ? `${route} is down since now.` : null,
};

function waiting(
  parked: readonly ParkedShards[],
  routes: readonly string[] | null,
  waits = new StorageWaits(),
): readonly string[] | undefined {
  const batch = { inputFileIds: [], errors: [], state: 'running', model: null, endpoint: '', parked, routes };
  const deps = { upstreams: UPSTREAMS, waits } as unknown as Parameters<typeof jobView>[1];
  return jobView(batch as unknown as BatchRecord, deps).bora?.waiting;
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

test('a job names what waits for the storage, once, and only the floor of free space where room is short', () => {
  const waits = new StorageWaits();
  waits.begin('results of 1', 'Results cannot be written: no room.');
  waits.begin('results of 2', 'Results cannot be written: no room.');
  waits.begin('journal', 'Answers cannot be journaled: no room.');
  assert.deepEqual(waiting([], ['x'], waits), [
    'Results cannot be written: no room.',
    'Answers cannot be journaled: no room.',
    'x is down since now.',
  ]);
  waits.begin('sending', 'Only 3 MiB are free.');
  assert.deepEqual(waiting([], null, waits), ['Only 3 MiB are free.']);
  waits.end('sending');
  waits.end('results of 1');
  waits.end('results of 2');
  assert.deepEqual(waiting([], null, waits), ['Answers cannot be journaled: no room.']);
});
