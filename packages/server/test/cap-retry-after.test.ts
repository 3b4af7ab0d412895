import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { test } from 'node:test';
import { capRetryAfter } from '../src/api/gateway/cap-retry-after.ts';

const NOW = Date.parse('Sat, 21 Nov 2026 12:00:00 GMT');

const CASES: readonly (readonly [IncomingHttpHeaders, IncomingHttpHeaders])[] = [
  [{ 'retry-after': '60' }, { 'retry-after': '60' }],
  [{ 'retry-after': '61' }, { 'retry-after': '60' }],
  [{ 'retry-after': '0.5' }, { 'retry-after': '0.5' }],
  [{ 'retry-after': 'Sat, 21 Nov 2026 12:01:00 GMT' }, { 'retry-after': 'Sat, 21 Nov 2026 12:01:00 GMT' }],
  [{ 'retry-after': 'Sat, 21 Nov 2026 12:01:01 GMT' }, { 'retry-after': '60' }],
  [{ 'retry-after': 'Sat, 21 Nov 2026 11:00:00 GMT' }, { 'retry-after': 'Sat, 21 Nov 2026 11:00:00 GMT' }],
  [{ 'retry-after': 'soon' }, { 'retry-after': 'soon' }],
  [{ 'retry-after-ms': '60000' }, { 'retry-after-ms': '60000' }],
  [{ 'retry-after-ms': '86400000' }, { 'retry-after-ms': '60000' }],
  [
    { 'retry-after': '3600', 'retry-after-ms': '20', etag: 'x' },
    { 'retry-after': '60', 'retry-after-ms': '20', etag: 'x' },
  ],
  [{}, {}],
];

for (const [given, told] of CASES) {
  test(`${JSON.stringify(given)} is passed on as ${JSON.stringify(told)}`, () => {
    assert.deepEqual(capRetryAfter(given, NOW), told);
  });
}
