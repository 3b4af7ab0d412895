import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from '../src/progress.ts';
import type { ProgressView } from '../src/progress.ts';

const CLEAR = '\r\u001B[2K';

function setUp(terminal: { isTTY?: boolean; columns?: number }) {
  let now = 0;
  const written: string[] = [];
  const stream = { ...terminal, write: (text: string) => written.push(text) };
  const progress = new Progress(stream, () => now);
  return {
    written,
    progress,
    showAt: (at: number, view: Partial<ProgressView>): string => {
      now = at;
      progress.show({ done: 0, failed: 0, total: 2000, state: 'running', waiting: [], ...view });
      return (written.at(-1) ?? '').replace(CLEAR, '');
    },
  };
}

test('a terminal line shows bar, share, count, rate and time left', () => {
  const { showAt, written } = setUp({ isTTY: true, columns: 120 });
  assert.equal(showAt(0, {}), '░'.repeat(24) + '    0 %  0 / 2,000');
  assert.equal(
    showAt(5_000, { done: 500 }),
    '█'.repeat(6) + '░'.repeat(18) + '   25 %  500 / 2,000  100/s  ETA 15 s',
  );
  assert.ok(written.every((text) => text.startsWith(CLEAR) && !text.includes('\n')));
});

test('the rate is that of the last ten seconds', () => {
  const { showAt } = setUp({ isTTY: true, columns: 200 });
  showAt(0, {});
  showAt(10_000, { done: 1_000 });
  const later = showAt(20_000, { done: 1_010 });
  assert.match(later, / 1\.0\/s {2}ETA 16 min 30 s/);
});

test('a job that is resumed half done does not count the old half into its rate', () => {
  const { showAt } = setUp({ isTTY: true, columns: 200 });
  assert.doesNotMatch(showAt(0, { done: 1_000 }), /\/s/);
  assert.match(showAt(1_000, { done: 1_010 }), / 10\.0\/s/);
});

test('what it waits for and what failed is said', () => {
  const { showAt } = setUp({ isTTY: true, columns: 200 });
  const text = showAt(0, {
    done: 4,
    failed: 3,
    waiting: ['upstream gpu-1 refuses connections', 'model m is not served'],
  });
  assert.match(text, /3 failed {2}waiting: upstream gpu-1 refuses connections \(and 1 more\)$/);
});

test('before the total is known only the state is shown', () => {
  const { showAt } = setUp({ isTTY: true });
  assert.equal(showAt(0, { total: 0, state: 'planning' }), 'planning');
});

test('a line never runs over the width of the terminal', () => {
  const { showAt } = setUp({ isTTY: true, columns: 40 });
  const text = showAt(0, { waiting: ['a reason that is longer than the line'] });
  assert.equal(text.length, 39);
  assert.ok(text.endsWith('…'));
});

test('without a terminal a plain line comes every five seconds, and none if nothing changed', () => {
  const { showAt, written, progress } = setUp({});
  for (const at of [0, 250, 4_999]) showAt(at, { done: at });
  assert.equal(written.length, 1);
  showAt(5_000, { done: 1_500 });
  assert.equal(written.length, 2);
  assert.ok(written[1].endsWith('\n') && !written[1].includes('\r'));
  showAt(60_000, { done: 1_500 });
  const before = written.length;
  showAt(120_000, { done: 1_500 });
  assert.equal(written.length, before);
  progress.clear();
  assert.equal(written.length, before);
});

test('without a terminal the last line says how it stood at the end', () => {
  const { showAt, written, progress } = setUp({});
  showAt(0, {});
  showAt(1_000, { done: 2_000 });
  assert.equal(written.length, 1);
  progress.clear();
  progress.clear();
  assert.equal(written.length, 2);
  assert.match(written[1], /100 % {2}2,000 \/ 2,000/);
});
