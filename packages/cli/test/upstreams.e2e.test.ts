import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { bora } from './bora-process.ts';

test('upstreams are listed, paused with a reason and resumed', { timeout: 60_000 }, async () => {
  await using whole = await startWholeBora({ simulator: { models: ['small', 'large'] } });
  const at = ['--url', whole.url];
  const name = new URL(whole.simulator.url).host;

  const listed = await bora(['upstreams', ...at]);
  assert.equal(listed.code, 0, listed.stderr);
  const [titles, , row] = listed.stdout.split('\n');
  assert.match(titles, /^name +url +health +models +window +in flight +why/);
  assert.match(row, new RegExp(`^${name} +http://${name} +up +small, large +64 +0$`));

  const paused = await bora(['upstreams', 'pause', name, '--reason', 'new cards', ...at]);
  assert.equal(paused.stdout.trim(), `${name}: paused; it is paused by hand (new cards)`);
  const json = await bora(['upstreams', 'list', '--json', ...at]);
  const { upstreams } = JSON.parse(json.stdout) as { upstreams: { name: string; state: string }[] };
  assert.deepEqual([upstreams[0].name, upstreams[0].state], [name, 'paused']);

  const resumed = await bora(['upstreams', 'resume', name, ...at]);
  assert.equal(resumed.stdout.trim(), `${name}: up`);
  const unknown = await bora(['upstreams', 'pause', 'gpu', ...at]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /There is no upstream "gpu"/);
});
