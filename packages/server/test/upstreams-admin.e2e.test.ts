import assert from 'node:assert/strict';
import { test } from 'node:test';
import { upstreamList } from '@bora/protocol/bora-upstreams';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { BreakableUpstream } from './breakable-upstream.ts';
import { answerWell, startPacedBora, waitingOf } from './paced-bora.ts';

const TIMEOUT = { timeout: 20_000 };

test('upstreams are shown as they are now', TIMEOUT, async () => {
  await using upstream = await BreakableUpstream.open();
  upstream.reply = answerWell;
  await using bora = await startPacedBora({
    upstreams: [
      { name: 'gpu', url: upstream.url, max_in_flight: 8 },
      { name: 'any/where', url: 'http://127.0.0.1:1', models: { small: 'tiny', '*': '*' } },
    ],
  });
  await bora.ended(await bora.ask(['a']));
  const shown = await (await fetch(`${bora.url}/bora/v1/upstreams`)).json();
  assert.deepEqual(upstreamList.parse(shown), shown);
  const [gpu, other] = await bora.client.upstreams.list();
  assert.equal(gpu.attempts.succeeded, 1);
  assert.deepEqual(gpu, {
    ...gpu,
    name: 'gpu',
    url: upstream.url,
    state: 'up',
    reason: null,
    paused_by_hand: false,
    found: false,
    in_flight: 0,
    max_in_flight: 8,
    serves: ['m'],
  });
  assert.deepEqual([gpu.models[0].model, gpu.models[0].window], ['m', 8]);
  assert.deepEqual([other.name, other.state, other.serves], ['any/where', 'down', ['*']]);
  assert.equal((await bora.client.upstreams.pause('any/where')).paused_by_hand, true);
});

test('a pause by hand holds jobs with its reason, over a restart, until it is ended', TIMEOUT, async () => {
  await using upstream = await BreakableUpstream.open();
  upstream.reply = answerWell;
  await using folder = await makeTemporaryFolder();
  const start = () => startWholeBora({ dataFolder: folder.path, upstreams: [upstream.url] });
  const name = new URL(upstream.url).host;
  let jobId = '';
  {
    await using bora = await start();
    const paused = await bora.client.upstreams.pause(name, 'new cards');
    assert.deepEqual(
      [paused.state, paused.paused_by_hand, paused.reason],
      ['paused', true, 'is paused by hand (new cards)'],
    );
    const job = await bora.client.jobs.create({
      endpoint: '/v1/chat/completions',
      model: 'm',
      requests: [{ custom_id: 'a', body: { messages: [{ role: 'user', content: 'a' }] } }],
    });
    jobId = job.id;
  }
  await using bora = await start();
  const [{ state, paused_by_hand }] = await bora.client.upstreams.list();
  assert.deepEqual([state, paused_by_hand], ['paused', true]);
  assert.match(waitingOf(await bora.client.jobs.get(jobId)), /is paused by hand \(new cards\) since/);
  assert.equal(upstream.requests.length, 0);
  const resumed = await bora.client.upstreams.resume(name);
  assert.deepEqual([resumed.state, resumed.reason, resumed.paused_by_hand], ['up', null, false]);
  const ended = await bora.client.jobs.waitUntilComplete(jobId, { intervalMs: 10 });
  assert.equal(ended.succeeded_requests, 1);
  await bora[Symbol.asyncDispose]();

  await using again = await start();
  assert.equal((await again.client.upstreams.list())[0].state, 'up');
});

test('an upstream that is not there is refused with those that are', TIMEOUT, async () => {
  await using bora = await startWholeBora();
  const [{ name }] = await bora.client.upstreams.list();
  for (const call of [bora.client.upstreams.pause('gpu'), bora.client.upstreams.resume('gpu')]) {
    await assert.rejects(call, {
      status: 404,
      code: 'upstream_not_found',
      message: new RegExp(`There are: ${name}`),
    });
  }
});
