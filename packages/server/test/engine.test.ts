import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineWorld } from './engine-world.ts';
import { openEngineWorld } from './engine-world.ts';
import { failed, hang, succeeded } from './scripted-upstreams.ts';

const TIMEOUT = { timeout: 60_000 };

function chatLines(count: number, prefix = 'r'): string[] {
  return Array.from({ length: count }, (_, at) => chatLine(`${prefix}${at}`));
}

function chatLine(customId: string, extra = ''): string {
  return `{"custom_id":"${customId}","body":{"messages":[{"role":"user","content":"${customId}"}]${extra}}}`;
}

test('a batch over two files ends with one line per request, in input order', TIMEOUT, async () => {
  await using world = await openEngineWorld();
  const files = [await world.upload(chatLines(250, 'a')), await world.upload(chatLines(37, 'b'))];
  const batchId = await world.create(files);
  world.worker.start();

  const batch = await world.ended(batchId);
  assert.equal(batch.state, 'completed');
  assert.equal(batch.totalRequests, 287);
  assert.equal(batch.succeeded, 287);
  assert.equal(batch.failed, 0);
  assert.equal(batch.inputTokens, 3 * 287);
  assert.equal(batch.errorFileId, null);

  const lines = await world.lines(batch.outputFileId);
  const wanted = [...Array(250).keys()]
    .map((at) => `a${at}`)
    .concat([...Array(37).keys()].map((at) => `b${at}`));
  assert.deepEqual(
    lines.map((line) => line.custom_id),
    wanted,
  );
  assert.equal(lines[280]?.id, `batch-${batchId.slice(0, 8)}-${files[1]?.slice(0, 8)}-280`);
  assert.equal(world.upstreams.sent.length, 287);
  assert.ok(world.upstreams.sent.every((body) => body.model === 'm'));
});

test('failed lines go to the error file and are counted by message', TIMEOUT, async () => {
  await using world = await openEngineWorld();
  const file = await world.upload(chatLines(100));
  world.upstreams.answer = (body) =>
    JSON.stringify(body).includes('"r7') ? failed(400) : succeeded({ ok: true });
  const batchId = await world.create([file]);
  world.worker.start();

  const batch = await world.ended(batchId);
  assert.equal(batch.state, 'completed');
  assert.equal(batch.failed, 11);
  assert.equal(batch.succeeded, 89);
  assert.deepEqual(batch.errors, [{ message: 'HTTP Error, status code: 400', count: 11 }]);
  const errors = await world.lines(batch.errorFileId);
  assert.deepEqual(
    errors.map((line) => line.custom_id),
    ['r7', ...Array.from({ length: 10 }, (_, at) => `r7${at}`)],
  );
  assert.equal(typeof errors[0]?.response.body, 'string');
  assert.equal((await world.lines(batch.outputFileId)).length, 89);
});

test('bad lines of an unchecked file fail alone and are never sent', TIMEOUT, async () => {
  await using world = await openEngineWorld();
  const file = await world.upload(
    [chatLine('good'), 'not json', '', '{"body":1}', chatLine('too')],
    'no-index',
  );
  const batchId = await world.create([file]);
  world.worker.start();

  const batch = await world.ended(batchId);
  assert.deepEqual([batch.state, batch.totalRequests, batch.succeeded, batch.failed], ['completed', 4, 2, 2]);
  assert.equal(world.upstreams.sent.length, 2);
  const [first, second] = await world.lines(batch.errorFileId);
  assert.match(String(first?.response.body), /Line 2: /);
  assert.match(String(second?.response.body), /Line 4: /);
});

test('a request that is tried again ends once, and load never fails a line', TIMEOUT, async () => {
  await using world = await openEngineWorld();
  const file = await world.upload(chatLines(40));
  const tries = new Map<string, number>();
  world.upstreams.answer = (body) => {
    const key = JSON.stringify(body.messages);
    const tried = (tries.get(key) ?? 0) + 1;
    tries.set(key, tried);
    if (tried < 3)
      return { kind: 'retry', afterMs: 1, countsAgainstLine: false, crashed: false, reason: 'busy' };
    return succeeded({ tried });
  };
  const batchId = await world.create([file]);
  world.worker.start();

  const batch = await world.ended(batchId);
  assert.equal(batch.succeeded, 40);
  assert.equal(world.upstreams.sent.length, 120);
});

test('a batch without requests is completed without files', TIMEOUT, async () => {
  await using world = await openEngineWorld();
  const file = await world.upload(['', ''], 'no-index');
  const batchId = await world.create([file]);
  world.worker.start();

  const batch = await world.ended(batchId);
  assert.deepEqual([batch.state, batch.outputFileId, batch.errorFileId], ['completed', null, null]);
});

test('cancelled before anything was claimed, a batch is cancelled at once', TIMEOUT, async () => {
  await using world = await openEngineWorld();
  const batchId = await world.create([await world.upload(chatLines(10))]);
  const cancelled = await world.database.cancelBatch(world.workspaceId, batchId);
  assert.equal(cancelled?.state, 'cancelled');
  world.worker.start();
  const again = await world.database.cancelBatch(world.workspaceId, batchId);
  assert.equal(again?.state, 'cancelled');
  assert.equal(world.upstreams.sent.length, 0);
});

test('cancelled while running, a batch keeps what was answered and sends nothing more', TIMEOUT, async () => {
  await using world = await openEngineWorld({ settings: { stopGraceMs: 20 } });
  world.upstreams.answer = (body, _request, signal) =>
    JSON.stringify(body).includes('"r1') ? hang(signal) : succeeded({ ok: true });
  const batchId = await world.create([await world.upload(chatLines(2_000))]);
  world.worker.start();
  await world.until(batchId, (batch) => batch.succeeded > 0);
  const cancelling = await world.database.cancelBatch(world.workspaceId, batchId);
  assert.equal(cancelling?.state, 'cancelling');

  const batch = await world.ended(batchId);
  assert.equal(batch.state, 'cancelled');
  assert.ok(batch.succeeded >= cancelling.succeeded);
  assert.equal(batch.failed, 0);
  assert.equal((await world.lines(batch.outputFileId)).length, batch.succeeded);
  assert.ok(batch.succeeded < 2_000);
});

test('past its deadline a running batch expires with what it has', TIMEOUT, async () => {
  await using world = await openEngineWorld({ settings: { stopGraceMs: 10 } });
  world.upstreams.answer = (body, _request, signal) =>
    JSON.stringify(body).includes('"r1"') ? hang(signal) : succeeded({ ok: true });
  const batchId = await world.create([await world.upload(chatLines(20))], { timeoutMs: 1_500 });
  world.worker.start();

  const batch = await world.ended(batchId);
  assert.equal(batch.state, 'expired');
  assert.equal(batch.succeeded, 19);
  assert.equal((await world.lines(batch.outputFileId)).length, 19);
});

test(
  'a shard whose model nobody serves is parked with the reason, and goes on when somebody does',
  TIMEOUT,
  async () => {
    await using world = await openEngineWorld();
    const route = '/v1/chat/completions m';
    const other = '/v1/chat/completions other';
    const lines = [
      ...chatLines(5),
      ...chatLines(5, 's').map((line) => line.replace(']}', '],"model":"other"}')),
    ];
    const file = await world.upload(
      lines.map((line) => line.replace('"r', '"r').replace(']}}', '],"model":"m"}}')),
    );
    world.upstreams.serve([route]);
    const batchId = await world.create([file], { model: null, routes: null });
    world.worker.start();

    const parked = await world.until(batchId, (batch) => batch.parked.length > 0);
    assert.equal(parked.succeeded, 5);
    assert.deepEqual(parked.parked, [{ routes: [other], reason: `Nobody serves ${other}.`, shards: 1 }]);
    world.upstreams.serve([route, other]);

    const batch = await world.ended(batchId);
    assert.equal(batch.succeeded, 10);
    assert.equal(world.upstreams.sent.length, 10);
  },
);

test(
  'stopped in order, a worker gives back what it holds and another finishes without sending answered requests again',
  TIMEOUT,
  async () => {
    await using world = await openEngineWorld();
    let hold = true;
    world.upstreams.answer = (body, _request, signal) =>
      hold && JSON.stringify(body).includes('"r3') ? hang(signal) : succeeded({ ok: true });
    const batchId = await world.create([await world.upload(chatLines(40))]);
    world.worker.start();
    await world.until(batchId, (batch) => batch.succeeded >= 20);
    const { aborted } = await world.worker.stop(0);
    assert.ok(aborted > 0);
    const sentBefore = world.upstreams.sent.length;
    const before = await world.batch(batchId);

    hold = false;
    const second = world.another();
    second.start();
    const batch = await world.ended(batchId);
    await second.stop(0);
    assert.equal(batch.succeeded, 40);
    assert.equal(world.upstreams.sent.length - sentBefore, 40 - before.succeeded);
    assert.equal(sentBefore, before.succeeded + aborted);
  },
);

test(
  'a disabled workspace gets nothing more sent, keeps what it has, and goes on where it was once enabled',
  TIMEOUT,
  async () => {
    await using world = await openEngineWorld({ speed: 10 });
    const { database, upstreams, workspaceId } = world;
    const answers: (() => void)[] = [];
    upstreams.answer = () => new Promise((resolve) => answers.push(() => resolve(succeeded({ ok: true }))));
    const batchId = await world.create([await world.upload(chatLines(40))]);
    world.worker.start();
    await world.waitFor(() => answers.length === upstreams.window);

    await database.changeWorkspace(workspaceId, { disabled: 'unpaid' });
    await whenHeld(world);
    for (const answer of answers.splice(0)) answer();
    const held = await world.until(batchId, ({ succeeded: done }) => done === upstreams.window);
    await world.until(batchId, ({ parked }) => parked.length > 0);
    assert.deepEqual([held.state, answers.length], ['running', 0]);
    assert.equal(upstreams.sent.length, upstreams.window);

    upstreams.answer = () => succeeded({ ok: true });
    await database.changeWorkspace(workspaceId, { disabled: null });
    const batch = await world.ended(batchId);
    assert.deepEqual([batch.state, batch.succeeded], ['completed', 40]);
    assert.equal(upstreams.sent.length, 40, 'no answer is bought again');
  },
);

test('a job that is cancelled while its workspace is disabled ends with what it has', TIMEOUT, async () => {
  await using world = await openEngineWorld({ speed: 10, settings: { stopGraceMs: 10 } });
  const { database, workspaceId } = world;
  world.upstreams.answer = (body, _request, signal) =>
    JSON.stringify(body).includes('"r3"') ? hang(signal) : succeeded({ ok: true });
  const batchId = await world.create([await world.upload(chatLines(20))]);
  world.worker.start();
  await world.until(batchId, (batch) => batch.succeeded === 19);
  await database.changeWorkspace(workspaceId, { disabled: 'unpaid' });
  await whenHeld(world);
  await database.cancelBatch(workspaceId, batchId);
  const batch = await world.ended(batchId);
  assert.deepEqual([batch.state, batch.succeeded], ['cancelled', 19]);
});

/** Resolves when the worker has looked which workspaces are disabled, and acted on it: when it looks the second time from now on. */
async function whenHeld(world: EngineWorld): Promise<void> {
  const { database } = world;
  const ask = database.disabledWorkspaces.bind(database);
  let looks = 0;
  database.disabledWorkspaces = () => {
    looks += 1;
    return ask();
  };
  await world.waitFor(() => looks > 1);
}
