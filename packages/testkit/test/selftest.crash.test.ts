import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTROLS, SELF_TESTS } from '@bora/testkit/selftest/planted-defects';

/** The defects for which the database contract has to run three times are left to `npm run torture:selftest`. */
const SHORT = SELF_TESTS.filter(
  ({ detector, defect }) => detector === 'crash harness' || defect === 'read-then-write',
);

for (const { defect, detector, detect, says } of SHORT) {
  test(`the ${detector} notices a planted defect: ${defect}`, async () => {
    const said = await detect();
    assert.ok(
      said.some((sentence) => says.test(sentence)),
      `It said: ${said.join('\n')}`,
    );
  });
}

test('the crash harness says nothing of a Bora without a defect', async () => {
  for (const { detect } of CONTROLS.filter(({ detector }) => detector === 'crash harness')) {
    assert.deepEqual(await detect(), []);
  }
});
