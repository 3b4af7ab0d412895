import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { faultyDatabase } from '@bora/testkit/faulty-database';
import { createLog } from '../src/observe/log.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { BreakableUpstream, hold, json } from './breakable-upstream.ts';
import { answerWell, questionOf, startPacedBora, waitingOf } from './paced-bora.ts';

const TIMEOUT = { timeout: 20_000 };
const QUESTIONS = ['a', 'b', 'c', 'd', 'e', 'f'];

interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** The value of each series, by its name and labels as they stand in the text. */
async function scrape(url: string): Promise<Map<string, number>> {
  const response = await fetch(`${url}/metrics`);
  assert.equal(response.status, 200);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

test(
  'the log tells the life of a job by batch, shard and upstream, and nothing of what was said',
  TIMEOUT,
  async () => {
    await using upstream = await BreakableUpstream.open();
    upstream.reply = (request) =>
      (questionOf(request).startsWith('bad') ? json(400, {}) : answerWell)(request);
    await upstream.close();
    const written: string[] = [];
    await using bora = await startPacedBora({
      upstreams: [{ name: 'gpu', url: upstream.url, api_key_env: 'GPU_KEY' }],
      env: { GPU_KEY: 'key-of-the-gpu' },
      overrides: { log: createLog('info', { write: (line) => void written.push(line) }) },
    });
    const lines = (): LogLine[] => written.map((line) => JSON.parse(line) as LogLine);
    const find = (msg: RegExp, fields: object): void => {
      const found = lines().filter((line) => msg.test(line.msg));
      const expected = Object.entries(fields);
      const fits = (line: LogLine): boolean => expected.every(([name, value]) => line[name] === value);
      assert.ok(found.some(fits), `${msg} ${JSON.stringify(fields)} is not in\n${written.join('')}`);
    };

    find(/^Upstream is down: it refuses connections/, { level: 'warn', upstream: 'gpu' });
    await upstream.listen();
    await bora.eventually(async () => (await scrape(bora.url)).get('bora_upstream_up{upstream="gpu"}') === 1);
    find(/^Upstream is up\.$/, { level: 'info', upstream: 'gpu' });
    find(/^Upstream tells its models\.$/, { upstream: 'gpu', maxInFlight: 64 });

    upstream.reply = ({ reset }) => {
      void upstream.close();
      reset();
    };
    const batch = await bora.ask(['sensitive question', 'bad question']);
    find(/^took a job$/, { level: 'info', batch, model: 'm', requests: 2 });
    await bora.eventually(() => lines().some(({ msg }) => msg === 'parked a shard'));
    find(/^parked a shard$/, { level: 'info', batch, shard: 0, routes: '/v1/chat/completions m' });
    upstream.reply = (request) =>
      (questionOf(request).startsWith('bad') ? json(400, {}) : answerWell)(request);
    await upstream.listen();
    await bora.ended(batch);
    find(/^a job ended$/, { level: 'info', batch, state: 'completed', succeeded: 1, failed: 1 });

    const cancelled = await bora.ask(['sensitive question']);
    await bora.client.jobs.cancel(cancelled);
    find(/^asked to cancel a job$/, { batch: cancelled });
    await bora.client.jobs.delete(batch);
    find(/^deleted a job$/, { batch });
    for (const secret of ['question', 'key-of-the-gpu', 'To sensitive']) {
      assert.ok(!written.join('').includes(secret), `${secret} is in the log`);
    }
  },
);

test('metrics tell attempts by outcome, what is in flight, the window and the journal', TIMEOUT, async () => {
  await using upstream = await BreakableUpstream.open();
  await using bora = await startPacedBora({
    upstreams: [
      { name: 'gpu', url: upstream.url, max_in_flight: 4 },
      { name: 'spare', url: 'http://127.0.0.1:9', models: ['another'] },
    ],
  });
  const figure = async (name: string, labels = '{upstream="gpu"}'): Promise<number | undefined> =>
    (await scrape(bora.url)).get(`${name}${labels}`);
  const attempts = async (outcome: string): Promise<number | undefined> =>
    figure('bora_attempts_total', `{upstream="gpu",outcome="${outcome}"}`);

  assert.deepEqual(
    [await figure('bora_upstream_up'), await figure('bora_upstream_up', '{upstream="spare"}')],
    [1, 0],
  );
  assert.equal(await attempts('succeeded'), 0, 'a series is there before its first event');

  upstream.reply = hold;
  const id = await bora.ask(QUESTIONS);
  await bora.received(upstream, 4);
  assert.deepEqual(
    [await figure('bora_upstream_in_flight'), await figure('bora_upstream_max_in_flight')],
    [4, 4],
  );
  assert.deepEqual(
    [await figure('bora_batches', '{state="running"}'), await figure('bora_shards', '{state="leased"}')],
    [1, 1],
  );

  const [overloaded, bad, broken, good] = upstream.requests;
  upstream.reply = answerWell;
  json(429, {}, { 'retry-after': '5' })(overloaded);
  json(400, {})(bad);
  json(500, {})(broken);
  answerWell(good);
  await bora.until(id, (job) => job.completed_requests === 2);
  assert.equal(await figure('bora_upstream_window'), 2, 'one 429 has halved it');
  assert.equal(await figure('bora_journal_rows', ''), 1);
  assert.deepEqual(
    await Promise.all(['succeeded', 'failed', 'refused', 'retried', 'aborted'].map(attempts)),
    [1, 1, 1, 1, 0],
  );

  await bora.ended(id);
  assert.deepEqual(
    await Promise.all(['succeeded', 'failed', 'refused', 'retried'].map(attempts)),
    [5, 1, 1, 1],
  );
  assert.deepEqual([await figure('bora_upstream_in_flight'), await figure('bora_journal_rows', '')], [0, 0]);
  assert.deepEqual(
    [await figure('bora_batches', '{state="completed"}'), await figure('bora_batches', '{state="running"}')],
    [1, undefined],
  );
});

test('an upstream that is down does not make Bora unready: jobs can be taken', TIMEOUT, async () => {
  await using upstream = await BreakableUpstream.open();
  await upstream.close();
  await using bora = await startPacedBora({ upstreams: [{ name: 'gpu', url: upstream.url }] });
  assert.equal((await fetch(`${bora.url}/readyz`)).status, 200);
  assert.match(waitingOf(await bora.until(await bora.ask(['a']), (job) => waitingOf(job) !== '')), /refuses/);
  assert.equal((await scrape(bora.url)).get('bora_upstream_up{upstream="gpu"}'), 0);
});

test(
  'a database that fails makes Bora unready, and metrics tell the rest; both recover with it',
  TIMEOUT,
  async () => {
    await using upstream = await BreakableUpstream.open();
    upstream.reply = answerWell;
    let fails = false;
    const failing = new Set(['ping', 'countWork', 'claimShards', 'claimTask']);
    await using bora = await startPacedBora({
      upstreams: [{ name: 'gpu', url: upstream.url }],
      overrides: {
        database: (database) =>
          faultyDatabase(database, (method) => (fails && failing.has(method) ? 'fail-before' : 'pass')),
      },
    });
    assert.ok((await scrape(bora.url)).has('bora_journal_rows'));

    fails = true;
    const id = await bora.ask(QUESTIONS);
    const ready = await fetch(`${bora.url}/readyz`);
    assert.equal(ready.status, 503);
    assert.deepEqual(await ready.json(), {
      status: 'not ready',
      checks: {
        database: { ok: false, detail: 'The database does not commit. The log tells why.' },
        disk: { ok: true },
      },
    });
    assert.equal((await fetch(`${bora.url}/healthz`)).status, 200, 'nobody restarts it for that');
    const meanwhile = await scrape(bora.url);
    assert.equal(meanwhile.get('bora_upstream_up{upstream="gpu"}'), 1);
    assert.ok(!meanwhile.has('bora_journal_rows'), 'what is not known is not told');

    fails = false;
    assert.equal((await fetch(`${bora.url}/readyz`)).status, 200);
    assert.equal((await bora.ended(id)).succeeded_requests, 6);
    assert.equal((await scrape(bora.url)).get('bora_journal_rows'), 0);
  },
);

test('the page of operation lists exactly the metrics there are', async () => {
  const page = await readFile(new URL('../../../docs/operation.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `(bora_\w+)`/gm)].map(([, name]) => name);
  const names = (await new Metrics().registry.getMetricsAsJSON()).map(({ name }) => name);
  assert.deepEqual(listed.toSorted(), names.toSorted());
});
