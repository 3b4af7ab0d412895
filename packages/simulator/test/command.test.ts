import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runSimulator } from '@bora/simulator/command';
import { flagOf, rangeText, valueText } from '@bora/simulator/read-settings';
import { DEFAULT_SETTINGS, SETTING_NAMES, SETTINGS } from '@bora/simulator/settings';
import { chatBody, post, until } from './calls.ts';
import { ManualClock } from './manual-clock.ts';

test('the command says where it listens and how it is set, keeps figures on a terminal, ends with the counts', async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  let said = '';
  const out = { isTTY: true, write: (text: string): string => (said += text) };
  const ended = runSimulator(
    { slots: 4, models: ['m'], apiKey: 'secret' },
    { out, clock, signal: stop.signal },
  );
  await until(() => said.includes('0 requests'));
  const url = /answers on (http:\/\/127\.0\.0\.1:\d+)\. No model/.exec(said)?.[1] ?? '';
  assert.match(said, /^ {2}models {4}m$/m);
  assert.match(said, /^ {2}settings {2}slots=4$/m);
  assert.ok(!said.includes('secret'));

  const headers = { authorization: 'Bearer secret' };
  await post(url, '/v1/chat/completions', chatBody('Hello', { model: 'm' }), headers);
  said = '';
  await clock.advance(1000);
  assert.equal(said, '\r\u001B[2K1 requests (1 per second) · 0 running · 0 waiting · answered 1 × 200');

  said = '';
  stop.abort();
  await ended;
  assert.equal(said, '\r\u001B[2K1 requests · 0 running · 0 waiting · answered 1 × 200\n');
  await assert.rejects(fetch(url));
});

test('the README lists every setting as it is', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const rows = readme
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const expected = SETTING_NAMES.map((name) => [
    `\`${name}\``,
    SETTINGS[name].description,
    rangeText(SETTINGS[name]),
    valueText(DEFAULT_SETTINGS[name]),
  ]);
  assert.deepEqual(rows, expected);
});

test('flags are the names of the settings in kebab-case', () => {
  assert.deepEqual((['slots', 'latencyMs', 'rate429', 'rateResetBefore'] as const).map(flagOf), [
    '--slots',
    '--latency-ms',
    '--rate-429',
    '--rate-reset-before',
  ]);
});
