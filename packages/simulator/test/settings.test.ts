import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distributionText, sample } from '@bora/simulator/distribution';
import { changeSettings, settingsFromText } from '@bora/simulator/read-settings';
import { seededRandom } from '@bora/simulator/seeded-random';
import { DEFAULT_SETTINGS } from '@bora/simulator/settings';
import { startSimulator } from '@bora/simulator/simulator';
import { post } from './calls.ts';

for (const [changes, told] of [
  [{ slots: 0 }, 'slots is 0, but it must be a whole number from 1 to 1000000, in requests.'],
  [{ latencyMs: { min: 5, max: 2 } }, 'latencyMs is {"min":5,"max":2}, but it must be a number such as 50'],
  [{ rate429: 0.6, rate503: 0.6 }, 'The failure rates add up to 1.2'],
  [{ speed: 1 }, 'There is no setting speed. Known are: host, port,'],
  [{ models: [] }, 'models is [], but it must be one or more names'],
] as const) {
  test(`${JSON.stringify(changes)} is refused with the reason`, () => {
    assert.throws(
      () => changeSettings(DEFAULT_SETTINGS, changes),
      (error: Error) => error.message.startsWith(told),
    );
  });
}

test('settings are read as a command line writes them', () => {
  const texts = {
    models: 'a, b',
    slots: '8',
    latencyMs: 'p50=40,p99=400',
    outputTokens: '5..9',
    down: true,
    apiKey: undefined,
  };
  assert.deepEqual(settingsFromText(texts), {
    models: ['a', 'b'],
    slots: 8,
    latencyMs: { p50: 40, p99: 400 },
    outputTokens: { min: 5, max: 9 },
    down: true,
  });
  assert.throws(
    () => changeSettings(DEFAULT_SETTINGS, settingsFromText({ slots: 'many' })),
    /slots is "many"/,
  );
});

test('a lognormal distribution has the median and the 99th percentile it was given', () => {
  const random = seededRandom(1, 2, 3, 4);
  const drawn = Array.from({ length: 50_000 }, () => sample({ p50: 100, p99: 900 }, random)).toSorted(
    (a, b) => a - b,
  );
  assert.ok(Math.abs(drawn[25_000] - 100) < 3, String(drawn[25_000]));
  assert.ok(Math.abs(drawn[49_500] - 900) < 60, String(drawn[49_500]));
  assert.equal(distributionText({ p50: 100, p99: 900 }), 'p50=100,p99=900');
});

test('a change that cannot be used changes nothing', async () => {
  await using simulator = await startSimulator();
  const before = simulator.settings;
  await assert.rejects(simulator.configure({ slots: 4, rate500: 2 }), /rate500 is 2/);
  await assert.rejects(simulator.configure({ port: 1 }), /settled at the start/);
  assert.deepEqual(simulator.settings, before);
});

test('over HTTP, down is refused, since nobody could turn it off', async () => {
  await using simulator = await startSimulator();
  const response = await post(simulator.url, '/simulator/configure', '{"down": true}');
  assert.equal(response.status, 400);
  assert.match(await response.text(), /simulator\/outage/);
});
