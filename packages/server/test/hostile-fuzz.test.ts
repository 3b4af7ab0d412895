import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzCalls, fuzzCreates, fuzzForms } from '@bora/testkit/hostile/fuzz';
import { startApiServer } from './api-server.ts';

/** `npm run torture:input` tries more. */
for (const [what, fuzz, runs, wanted] of [
  ['forms', fuzzForms, 400, [200, 400, 422]],
  ['create calls', fuzzCreates, 300, [200, 422]],
  ['calls', fuzzCalls, 300, [200, 400]],
] as const) {
  test(`strange ${what} are answered by what was asked for, or by whose fault it is`, async () => {
    await using server = await startApiServer({ settings: what === 'calls' ? { stallSeconds: 0.1 } : {} });
    const statuses = await fuzz(server, { runs });
    for (const status of wanted) assert.ok(statuses.has(status), `none was answered ${status}`);
  });
}
