import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { MistralFile } from '@bora/protocol/mistral-files';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { newShards } from '@bora/testkit/contracts/database/database-world';
import { filePart, formOf, FORM_TYPE, GOOD_LINE } from '@bora/testkit/hostile/form';
import { bytesOfCall, connectTo, rawCall } from '@bora/testkit/hostile/raw-call';
import { tracesBecome, tracesIn } from '@bora/testkit/hostile/traces';
import type { ApiServer } from './api-server.ts';
import { call, startApiServer } from './api-server.ts';

const TIMEOUT = { timeout: 30_000 };
/** Real time, since a client's is: as short as can be, and nothing is asked to happen within it. */
const STALL = { stallSeconds: 0.1 };

const FORM = bytesOfCall('/v1/files', formOf([filePart(GOOD_LINE.repeat(10_000))]), FORM_TYPE);

const SMALL_FORM = bytesOfCall('/v1/files', formOf([filePart(GOOD_LINE.repeat(10))]), FORM_TYPE);

/** Neither reads nor runs timers for so long. */
function holdUp(seconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000 * seconds);
}

async function textUntilClosed(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

/** Sent at once, so that this one does not stall. */
async function isServed(server: ApiServer): Promise<boolean> {
  return (
    (await rawCall(server.url, bytesOfCall('/v1/files', formOf([filePart()]), FORM_TYPE)))?.status === 200
  );
}

/** More than the buffers of two sockets hold. */
async function uploadLarge(server: ApiServer): Promise<MistralFile> {
  const content = Buffer.alloc(32 * 1024 * 1024, 'x');
  const { body } = await server.app.inject({
    method: 'POST',
    url: '/v1/files',
    headers: { 'content-type': FORM_TYPE },
    body: formOf([filePart(content, 'filename="a.pdf"')]),
  });
  return JSON.parse(body) as MistralFile;
}

/** A job that is not finalised, with one line of results: more than the buffers of two sockets hold. */
async function commitLargeResult({ app, database, blobs }: ApiServer): Promise<string> {
  const job = { endpoint: '/v1/chat/completions', model: 'm', requests: [{ body: { messages: [] } }] };
  const created = await app.inject({ method: 'POST', url: '/v1/batch/jobs', payload: job });
  const session = await database.openSession();
  const plan = (await database.claimTask(session))!;
  await database.addShards(plan, newShards(1, 1));
  await database.finishPlan(plan, { totalRequests: 1, routes: null });
  const [shard] = await database.claimShards({ session, routes: 'any', limit: 1, perBatch: 1 });
  const [name] = await database.reserveBlobs(session, 1);
  const writer = await blobs.create(name);
  const text = 'x'.repeat(32 * 1024 * 1024);
  await writer.write(Buffer.from(`{"id":"batch-0000aaaa-0000bbbb-0","text":"${text}"}\n`));
  const blob = { kind: 'object', offset: 0, ...(await writer.finish()) } as const;
  const unjournaled = { succeeded: 1, failed: 0, inputTokens: 0, outputTokens: 0 };
  const parts = [{ kind: 'output', blob, lines: 1 }] as const;
  await database.commitShards(session, [
    { shardId: shard.id, epoch: shard.epoch, parts, errors: {}, unjournaled },
  ]);
  return created.json<BatchJob>().id;
}

for (const [where, sent] of [
  ['behind its headers', FORM.indexOf('\r\n\r\n') + 4],
  ['in the headers of its form', FORM.indexOf('filename')],
  ['in the middle of its file', FORM.length / 2],
  ['before its last byte', FORM.length - 4],
] as const) {
  test(`an upload that stalls ${where} is ended with 408, and leaves nothing behind`, TIMEOUT, async () => {
    await using server = await startApiServer({ settings: STALL });
    const socket = connectTo(server.url);
    socket.write(FORM.subarray(0, sent));
    const text = await textUntilClosed(socket);
    assert.match(text, /^HTTP\/1\.1 408 .*"code":"call_too_slow"/s);
    await tracesBecome(server.dataFolder, { files: 0, handles: 0 });
    assert.ok(await isServed(server));
  });
}

test('a create call that stalls is ended with 408, and leaves nothing behind', TIMEOUT, async () => {
  await using server = await startApiServer({ settings: STALL });
  const request = '{"custom_id":"a","body":{"messages":[]}},';
  const body = `{"endpoint":"/v1/chat/completions","model":"m","requests":[${request.repeat(5_000)}`;
  const socket = connectTo(server.url);
  socket.write(bytesOfCall('/v1/batch/jobs', `${body}x`).subarray(0, -1));
  assert.match(await textUntilClosed(socket), /call_too_slow/);
  await tracesBecome(server.dataFolder, { files: 0, handles: 0 });
});

test('an upload that never stalls, but crawls, is ended with 408', TIMEOUT, async () => {
  await using server = await startApiServer({ settings: STALL });
  const socket = connectTo(server.url);
  socket.write(FORM.subarray(0, 1_000));
  const drops = setInterval(() => socket.write('x'), 20);
  assert.match(await textUntilClosed(socket), /call_too_slow/);
  clearInterval(drops);
  await tracesBecome(server.dataFolder, { files: 0, handles: 0 });
});

test('a download that is not taken is cut, and its file is let go', TIMEOUT, async () => {
  await using server = await startApiServer({ settings: STALL });
  const file = await uploadLarge(server);
  const socket = connectTo(server.url);
  socket.write(`GET /v1/files/${file.id}/content HTTP/1.1\r\nhost: x\r\n\r\n`);
  await once(socket, 'readable');
  await tracesBecome(server.dataFolder, { files: 1, handles: 0 });
  assert.ok((await textUntilClosed(socket)).length < file.bytes);
  assert.ok(await isServed(server));
});

test('partial results that are not taken are cut, and their blob is let go', TIMEOUT, async () => {
  await using server = await startApiServer({ settings: STALL });
  const batchId = await commitLargeResult(server);
  const socket = connectTo(server.url);
  socket.write(`GET /v1/batch/jobs/${batchId}/results HTTP/1.1\r\nhost: x\r\n\r\n`);
  await once(socket, 'readable');
  await tracesBecome(server.dataFolder, { files: 1, handles: 0 });
  const text = await textUntilClosed(socket);
  assert.match(text, /^HTTP\/1\.1 200 /);
  assert.ok(!text.includes('}'), 'its one line is not whole');
  assert.ok(await isServed(server));
});

test(
  'calls that come at once on one connection are answered one after another, and not too many of them',
  TIMEOUT,
  async () => {
    await using server = await startApiServer({ settings: STALL });
    const answers = await new Promise<string>((resolve) => {
      const socket = connectTo(server.url);
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.split('HTTP/1.1 ').length === 9) resolve(text);
      });
      socket.write(
        'GET /v1/files HTTP/1.1\r\nhost: x\r\n\r\nGET /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(4),
      );
    });
    assert.deepEqual(
      answers.match(/HTTP\/1\.1 \d+/g),
      Array.from({ length: 4 }, () => ['HTTP/1.1 200', 'HTTP/1.1 404']).flat(),
    );

    const file = await uploadLarge(server);
    const download = `GET /v1/files/${file.id}/content HTTP/1.1\r\nhost: x\r\n\r\n`;
    const few = connectTo(server.url);
    few.write(download.repeat(10));
    await once(few, 'readable');
    assert.ok(tracesIn(server.dataFolder).handles <= 1, 'only the first is begun');
    await tracesBecome(server.dataFolder, { files: 1, handles: 0 });
    few.destroy();

    const many = connectTo(server.url);
    many.write(download.repeat(1_000));
    await textUntilClosed(many);
    await tracesBecome(server.dataFolder, { files: 1, handles: 0 });
  },
);

test('a call is not cut because Bora itself is slow', TIMEOUT, async () => {
  const held = Promise.withResolvers<void>();
  await using server = await startApiServer({
    settings: STALL,
    wrapDatabase: (database) => ({
      ...database,
      createFile: async (...args) => {
        await held.promise;
        return database.createFile(...args);
      },
    }),
  });
  // In one piece, so that nothing but Bora can be waited for.
  const slow = rawCall(server.url, SMALL_FORM);
  for (let waits = 0; waits < 3; waits++) {
    const other = connectTo(server.url);
    other.write('POST /v1/batch/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n');
    await textUntilClosed(other);
  }
  held.resolve();
  assert.equal((await slow)?.status, 200);
});

test('what came while Bora could read nothing is read before its sender is blamed', TIMEOUT, async () => {
  await using server = await startApiServer({ settings: STALL });
  const socket = connectTo(server.url);
  const half = SMALL_FORM.length / 2;
  socket.write(SMALL_FORM.subarray(0, half));
  const [request] = (await once(server.app.server, 'request')) as [IncomingMessage];
  do await setImmediate();
  while (request.readableLength > 0);
  socket.write(SMALL_FORM.subarray(half));
  holdUp(1.5 * STALL.stallSeconds);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 200 /);
  socket.destroy();
});

test('many slow clients do not keep others from being served', TIMEOUT, async () => {
  await using server = await startApiServer({ settings: { stallSeconds: 60 } });
  const sockets = Array.from({ length: 200 }, (_, at) => {
    const socket = connectTo(server.url);
    socket.write(FORM.subarray(0, 500 + 10 * at));
    return socket;
  });
  assert.ok(await isServed(server));
  assert.equal((await call(server, '/readyz')).status, 200);
  for (const socket of sockets) socket.destroy();
  await tracesBecome(server.dataFolder, { files: 0, handles: 0 });
});

test(
  'connections over the limit are closed, and there is room again when others leave',
  TIMEOUT,
  async () => {
    await using server = await startApiServer({ settings: { maxConnections: 2 } });
    const held = [connectTo(server.url), connectTo(server.url)];
    for (const socket of held) {
      socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
      await once(socket, 'data');
    }
    const look = 'GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
    assert.equal(await rawCall(server.url, look), null);
    held[0].end();
    await new Promise((resolve) => held[0].once('close', resolve));
    assert.equal((await rawCall(server.url, look))?.status, 200);
    held[1].destroy();
  },
);

test(
  'a refusal reaches a client that is still sending, and a body that never ends is not read for ever',
  TIMEOUT,
  async () => {
    await using server = await startApiServer({ settings: STALL });
    const socket = connectTo(server.url);
    socket.write(
      'POST /v1/batch/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\nx',
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 422 .*invalid_json/s);
    for (let sent = 0; sent < 100; sent++) {
      await new Promise((written) => socket.write(Buffer.alloc(64 * 1024), written));
    }
    await textUntilClosed(socket);
  },
);
