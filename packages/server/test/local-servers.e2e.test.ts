import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { findLocalServers } from '../src/upstreams/local-servers.ts';

const TIMEOUT = { timeout: 20_000 };
const FIND = { BORA_LOCAL_UPSTREAMS: 'find' };

test('with no upstream configured, one on a usual port of the machine does the work', TIMEOUT, async () => {
  await using local = await startScriptedUpstream(['small'], () => chatAnswer('small', 'hi'));
  const findUpstreams = () => findLocalServers([{ url: local.url, maxInFlight: 4 }]);
  await using bora = await startWholeBora({ upstreams: [], env: FIND, overrides: { findUpstreams } });
  const [{ url, state, found, serves, maxInFlight }] = bora.bora.upstreamStatus();
  assert.deepEqual([url, state, found, serves, maxInFlight], [local.url, 'up', true, ['small'], 4]);
  const job = await bora.client.jobs.create({
    endpoint: '/v1/chat/completions',
    model: 'small',
    requests: [{ custom_id: 'a', body: { messages: [{ role: 'user', content: 'hello' }] } }],
  });
  const ended = await bora.client.jobs.waitUntilComplete(job.id, { intervalMs: 10 });
  assert.equal(ended.succeeded_requests, 1);
});

test('a Bora is no upstream of a Bora', TIMEOUT, async () => {
  await using bora = await startWholeBora();
  assert.deepEqual(await findLocalServers([{ url: bora.url, maxInFlight: null }]), []);
});

test('nobody is looked for if that is what the configuration says', TIMEOUT, async () => {
  const findUpstreams = () => assert.fail('it is told to ignore them');
  await using bora = await startWholeBora({ upstreams: [], overrides: { findUpstreams } });
  assert.deepEqual(bora.bora.upstreamStatus(), []);
});
