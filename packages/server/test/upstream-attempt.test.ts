import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Verdict } from '../src/upstreams/upstreams.ts';
import {
  acquire,
  hold,
  json,
  MemorySpill,
  registryOf,
  requestOf,
  ROUTE,
  BreakableUpstream,
  send,
} from './breakable-upstream.ts';
import { world } from './registry-world.ts';

function text(verdict: Verdict): string {
  assert.equal(verdict.kind, 'succeeded');
  assert.ok(verdict.body !== null);
  return Buffer.from(verdict.body).toString();
}

const RETRY = { kind: 'retry', countsAgainstLine: false } as const;

function assertRetry(verdict: Verdict, reason: RegExp, countsAgainstLine = false): void {
  assert.equal(verdict.kind, 'retry');
  assert.equal(verdict.countsAgainstLine, countsAgainstLine);
  assert.match(verdict.reason, reason);
}

test('the body of a request arrives byte for byte, with its length, key and headers', async () => {
  await using w = await world({ apiKey: 'sk-1', headers: { 'X-Team': 'batch' } });
  const body = Buffer.from('{"a":1.000,"a":2,"é":"\\u00e9 \u{1F600}"}');
  await send(w.upstreams, requestOf(body));
  const [{ path, headers, body: arrived }] = w.upstream.requests;
  assert.equal(path, '/v1/chat/completions');
  assert.deepEqual(arrived, body);
  assert.equal(headers['content-length'], String(body.length));
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['authorization'], 'Bearer sk-1');
  assert.equal(headers['x-team'], 'batch');
});

test('an address with or without /v1 and slash means the same, and may have a path before it', async () => {
  for (const suffix of ['', '/', '/v1', '/v1/']) {
    await using upstream = await BreakableUpstream.open();
    await using upstreams = registryOf([`${upstream.url}/api${suffix}`]);
    await upstreams.start();
    await send(upstreams);
    assert.equal(upstream.requests[0].path, '/api/v1/chat/completions');
  }
});

test('the bytes of an answer come back exactly, with its usage', async () => {
  await using w = await world();
  const answer =
    '{"n":1.0e+2,"n":1,"s":"\\u00e9\\n","usage":{"prompt_tokens":7,"completion_tokens":9,"details":{"x":1}}}';
  w.upstream.reply = json(200, answer);
  const verdict = await send(w.upstreams);
  assert.equal(text(verdict), answer);
  assert.deepEqual(verdict, {
    kind: 'succeeded',
    status: 200,
    body: Buffer.from(answer),
    inputTokens: 7,
    outputTokens: 9,
  });
});

test('a pretty-printed answer becomes one line and nothing else changes', async () => {
  await using w = await world();
  w.upstream.reply = json(200, '{\n  "a": [1,\r\n 2],\n  "b": "x\\ny"\n}\n');
  assert.equal(text(await send(w.upstreams)), '{   "a": [1,   2],   "b": "x\\ny" }');
});

test('an answer that arrives in many pieces is whole', async () => {
  await using w = await world();
  const answer = JSON.stringify({ text: 'é'.repeat(5000) });
  w.upstream.reply = ({ response }) => {
    const bytes = Buffer.from(answer);
    response.writeHead(200);
    for (let at = 0; at < bytes.length; at += 333) response.write(bytes.subarray(at, at + 333));
    response.end();
  };
  assert.equal(text(await send(w.upstreams)), answer);
});

for (const [name, body] of [
  ['nothing', ''],
  ['HTML', '<html>ok</html>'],
  ['cut JSON', '{"choices":['],
  ['two values', '{} {}'],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
] as const) {
  test(`success with ${name} for a body is tried again, at last an error line 502`, async () => {
    await using w = await world();
    w.upstream.reply = json(200, body);
    assertRetry(await send(w.upstreams), /HTTP 200 without valid JSON/);
    const verdict = await send(w.upstreams, requestOf(undefined, { faults: 2 }));
    assert.equal(verdict.kind, 'failed');
    assert.equal(verdict.status, 502);
    assert.match(Buffer.from(verdict.body).toString(), /"code":"invalid_answer"/);
  });
}

test('an answer all of whose choices were aborted is none, one with a single good choice is', async () => {
  await using w = await world();
  const choices = (...reasons: string[]) => ({
    choices: reasons.map((finish_reason) => ({ finish_reason })),
  });
  w.upstream.reply = json(200, choices('abort', 'error'));
  assertRetry(await send(w.upstreams), /finish_reason abort or error/);
  w.upstream.reply = json(200, choices('abort', 'stop'));
  assert.equal((await send(w.upstreams)).kind, 'succeeded');
});

test("an upstream's error body goes into the line as it came", async () => {
  await using w = await world();
  const body = '{"error":{"message":"no", "code":400}}';
  w.upstream.reply = json(400, body);
  assert.deepEqual(await send(w.upstreams), {
    kind: 'failed',
    status: 400,
    body: Buffer.from(body),
    reason: 'HTTP Error, status code: 400',
  });
});

test('an answer over 256 KiB goes to the spill as it arrives, as one line, with its usage', async () => {
  await using w = await world();
  const numbers = Array.from({ length: 60_000 }, (_, index) => index * 1.5);
  for (const usageFirst of [true, false]) {
    const usage = { prompt_tokens: 5, total_tokens: 5 };
    const answer = JSON.stringify(usageFirst ? { usage, data: numbers } : { data: numbers, usage }, null, 1);
    assert.ok(answer.length > 300_000);
    w.upstream.reply = json(200, answer);
    const spill = new MemorySpill();
    const verdict = await send(w.upstreams, requestOf(undefined, { openSpill: spill.open }));
    assert.deepEqual(verdict, {
      kind: 'succeeded',
      status: 200,
      body: null,
      inputTokens: 5,
      outputTokens: 0,
    });
    assert.deepEqual([spill.status, spill.state], [200, 'finished']);
    assert.ok(spill.bytes.toString() === answer.replaceAll('\n', ' '));
  }
});

test('a slow spill holds the answer back in its server instead of gathering it in memory', async () => {
  await using upstream = await BreakableUpstream.open();
  await using upstreams = registryOf([{ name: 'u', url: upstream.url, models: ['m'] }], undefined, {
    maxAnswerBytes: 64 * 1024 * 1024,
  });
  // More than the buffers of both sockets take.
  const answer = Buffer.from(JSON.stringify({ text: 'x'.repeat(32 * 1024 * 1024) }));
  upstream.reply = json(200, answer);
  const spill = new MemorySpill();
  const write = spill.write.bind(spill);
  const begun = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  spill.write = async (chunk) => {
    begun.resolve();
    await released.promise;
    await write(chunk);
  };
  const sending = send(upstreams, requestOf(undefined, { openSpill: spill.open }));
  await begun.promise;
  const [{ response }] = upstream.requests;
  for (let turn = 0; turn < 3000 && !response.writableFinished; turn += 1) await setImmediate();
  assert.equal(response.writableFinished, false);
  released.resolve();
  assert.equal((await sending).kind, 'succeeded');
  assert.ok(spill.bytes.equals(answer));
});

test('a large answer without a length that ends with its connection is whole too', async () => {
  await using w = await world();
  const answer = Buffer.from(JSON.stringify({ text: 'x'.repeat(600_000) }));
  w.upstream.reply = ({ response }) => {
    response.useChunkedEncodingByDefault = false;
    response.shouldKeepAlive = false;
    response.writeHead(200, { connection: 'close' });
    response.end(answer);
  };
  const spill = new MemorySpill();
  const verdict = await send(w.upstreams, requestOf(undefined, { openSpill: spill.open }));
  assert.equal(verdict.kind, 'succeeded');
  assert.ok(spill.bytes.equals(answer));
});

test('a large answer that is no JSON leaves nothing behind', async () => {
  await using w = await world();
  w.upstream.reply = json(200, `${JSON.stringify('x'.repeat(300_000))}]`);
  const spill = new MemorySpill();
  assertRetry(await send(w.upstreams, requestOf(undefined, { openSpill: spill.open })), /without valid JSON/);
  assert.equal(spill.state, 'abandoned');
});

test('an answer over the configured maximum ends its line and is not read to its end', async () => {
  await using w = await world();
  w.upstream.reply = json(200, JSON.stringify('x'.repeat(3_000_000)));
  const spill = new MemorySpill();
  const verdict = await send(w.upstreams, requestOf(undefined, { openSpill: spill.open }));
  assert.equal(verdict.kind, 'failed');
  assert.match(Buffer.from(verdict.body).toString(), /"code":"answer_too_large"/);
  assert.equal(spill.state, 'abandoned');
  assert.ok(spill.bytes.length <= 1024 * 1024);
});

test('a spill that cannot be written rejects with its own error and frees the slot', async () => {
  await using w = await world();
  w.upstream.reply = json(200, JSON.stringify('x'.repeat(300_000)));
  const full = new Error('ENOSPC');
  await assert.rejects(
    send(w.upstreams, requestOf(undefined, { openSpill: () => Promise.reject(full) })),
    full,
  );
  const spill = new MemorySpill();
  spill.write = () => Promise.reject(full);
  await assert.rejects(send(w.upstreams, requestOf(undefined, { openSpill: spill.open })), full);
  assert.equal(spill.state, 'abandoned');
  assert.equal(w.upstreams.status()[0].inFlight, 0);
});

test('a request sent on an idle connection that its server has closed is sent again at once', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    let requests = 0;
    socket.on('error', () => {});
    socket.on('data', (data) => {
      if (data.toString().startsWith('GET')) {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{"data":[{"id":"m"}]}');
        return;
      }
      requests += 1;
      if (requests === 2 && connections === 1) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await using upstreams = registryOf([`http://127.0.0.1:${(server.address() as AddressInfo).port}`]);
  await upstreams.start();
  assert.equal(text(await send(upstreams)), '{}');
  assert.equal(text(await send(upstreams)), '{}');
  assert.equal(connections, 2);
  await upstreams[Symbol.asyncDispose]();
  await new Promise((resolve) => server.close(resolve));
});

test('a request that breaks every connection is sent again once, then it is a fault like others', async () => {
  // One connection for attempts and one for probes; two answers, and both have been used.
  await using w = await world({ maxInFlight: 1 });
  await send(w.upstreams);
  await send(w.upstreams);
  w.upstream.reply = ({ reset }) => reset();
  assertRetry(await send(w.upstreams), /breaks connections before it answers \(ECONNRESET\)/);
  assert.equal(w.upstream.requests.length, 4);
});

test('a request that breaks a fresh connection is not sent again by the same attempt', async () => {
  await using upstream = await BreakableUpstream.open();
  await using upstreams = registryOf([{ name: 'u', url: upstream.url, models: ['m'] }]);
  upstream.reply = ({ reset }) => reset();
  assertRetry(await send(upstreams), /breaks connections before it answers/);
  assert.equal(upstream.requests.length, 1);
});

test('an answer that breaks off is tried again', async () => {
  await using w = await world();
  w.upstream.reply = ({ response, reset }) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('{"a":', () => void setImmediate().then(reset));
  };
  assertRetry(await send(w.upstreams), /breaks off its answers/);
});

test('a large answer that breaks off leaves nothing in the spill', async () => {
  await using w = await world();
  w.upstream.reply = ({ response }) => {
    response.writeHead(200, { 'content-length': '900000' });
    response.write(JSON.stringify('x'.repeat(500_000)), () => response.destroy());
  };
  const spill = new MemorySpill();
  assertRetry(
    await send(w.upstreams, requestOf(undefined, { openSpill: spill.open })),
    /breaks off its answers/,
  );
  assert.equal(spill.state, 'abandoned');
});

test('refused connections never count against a line', async () => {
  await using w = await world();
  await w.upstream.close();
  const verdict = await send(w.upstreams, requestOf(undefined, { faults: 2 }));
  assert.deepEqual(verdict, {
    ...RETRY,
    crashed: false,
    afterMs: 0,
    reason: 'refuses connections (ECONNREFUSED)',
  });
});

test('an attempt ends at its deadline, and its connection is closed', async () => {
  await using w = await world({ timeoutMs: 5_000 });
  w.upstream.reply = hold;
  const sending = send(w.upstreams);
  await w.upstream.received(1);
  const closed = new Promise((resolve) => w.upstream.requests[0].response.on('close', resolve));
  await w.clock.advance(4_999);
  assert.equal(w.upstreams.status()[0].inFlight, 1);
  await w.clock.advance(1);
  assertRetry(await sending, /does not answer in time/);
  await closed;
});

test('an abort closes the request, frees the slot and rejects with its reason', async () => {
  await using w = await world({ maxInFlight: 1 });
  w.upstream.reply = hold;
  const abort = new AbortController();
  const sending = send(w.upstreams, requestOf(), abort.signal);
  await w.upstream.received(1);
  const closed = new Promise((resolve) => w.upstream.requests[0].response.on('close', resolve));
  assert.equal(w.upstreams.tryAcquire(ROUTE), null);
  const reason = new Error('The batch was cancelled.');
  abort.abort(reason);
  await assert.rejects(sending, reason);
  await closed;
  acquire(w.upstreams).release();
  await assert.rejects(send(w.upstreams, requestOf(), abort.signal), reason);
  assert.equal(w.upstreams.status()[0].inFlight, 0);
});

test('an abort in the middle of a spilled answer abandons the spill', async () => {
  await using w = await world();
  w.upstream.reply = ({ response }) => {
    response.writeHead(200);
    response.write(`"${'x'.repeat(400_000)}`);
  };
  const spill = new MemorySpill();
  const abort = new AbortController();
  const write = spill.write.bind(spill);
  spill.write = (chunk) => {
    abort.abort(new Error('stop'));
    return write(chunk);
  };
  await assert.rejects(
    send(w.upstreams, requestOf(undefined, { openSpill: spill.open }), abort.signal),
    /stop/,
  );
  assert.equal(spill.state, 'abandoned');
});

test('a slot is used once', async () => {
  await using w = await world();
  const slot = acquire(w.upstreams);
  slot.release();
  assert.throws(() => slot.release(), /used once/);
  await assert.rejects(slot.send(requestOf()), /used once/);
});
