import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultyDatabase } from '@bora/testkit/faulty-database';
import { FetchRefused } from '../src/upstreams/fetch-refusal.ts';
import type { Fetched } from '../src/upstreams/guarded-fetch.ts';
import { openEngineWorld } from './engine-world.ts';

const OPTIONS = { timeout: 20_000 };
const SPEECH = { endpoint: '/v1/audio/transcriptions', fileMember: 'file_id' } as const;
const SOUND = '{"body":{}}';

test(
  'a file that the storage does not give parks its line, with the reason, until it does',
  OPTIONS,
  async () => {
    let isBroken = true;
    await using world = await openEngineWorld({
      database: (database) =>
        faultyDatabase(database, (method) =>
          method === 'findNamedFile' && isBroken ? 'fail-before' : 'pass',
        ),
      speed: 100,
    });
    const sound = await world.upload([SOUND]);
    const input = await world.upload([`{"body":{"file_id":"${sound}"}}`]);
    const batchId = await world.create([input], SPEECH);
    world.worker.start();
    const { parked } = await world.until(batchId, (batch) => batch.parked.length > 0);
    assert.match(parked[0].reason, /^Its named file cannot be read: /);
    assert.equal(world.upstreams.sent.length, 0);
    isBroken = false;
    assert.equal((await world.ended(batchId)).succeeded, 1);
    const data = Buffer.from(`${SOUND}\n`).toString('base64');
    assert.deepEqual(world.upstreams.sent, [
      { model: 'm', file_url: `data:application/jsonl;base64,${data}` },
    ]);
  },
);

test(
  'a file that no index told of is looked for when its line is sent; if it is not there the line ends alone',
  OPTIONS,
  async () => {
    await using world = await openEngineWorld();
    const sound = await world.upload([SOUND]);
    const input = await world.upload([`{"body":{"file_id":"${sound}"}}`, '{"body":{"file_id":"elsewhere"}}']);
    // As if the batch had been made by a Bora that did not check what lines name.
    const batchId = await world.create([input], { ...SPEECH, fileMember: null });
    world.worker.start();
    const { succeeded, failed, errors, errorFileId } = await world.ended(batchId);
    assert.deepEqual([succeeded, failed], [1, 1]);
    assert.deepEqual(errors, [{ message: 'A file that the line names is not there.', count: 1 }]);
    const [line] = await world.lines(errorFileId);
    assert.match(JSON.stringify(line), /There is no file.*elsewhere.*named_file_not_found/);
  },
);

for (const [times, outcome] of [
  [2, [1, 0]],
  [3, [0, 1]],
] as const) {
  test(`a link that fails ${times} times, though it might pass`, OPTIONS, async () => {
    let asked = 0;
    await using world = await openEngineWorld({
      fetch: {
        open: async () => {
          asked += 1;
          if (asked <= times) throw new FetchRefused('file_url_timeout', { isTransient: true });
          return fetched();
        },
      },
      speed: 1000,
    });
    world.upstreams.fileForms = { transcriptions: 'multipart', documents: 'data' };
    const input = await world.upload(['{"body":{"file_url":"http://a.example/b"}}']);
    const batchId = await world.create([input], SPEECH);
    world.worker.start();
    const { succeeded, failed } = await world.ended(batchId);
    assert.deepEqual([succeeded, failed], outcome);
    assert.equal(asked, 3);
    assert.equal(world.upstreams.sent.length, succeeded, 'what was refused was not sent');
    assert.equal(world.upstreams.inFlight, 0);
  });
}

test('content is read as it is sent, and no further', OPTIONS, async () => {
  let read = 0;
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for (; read < 1_000; read += 1) yield Buffer.alloc(1024);
  };
  await using world = await openEngineWorld({ fetch: { open: async () => fetched(chunks()) } });
  world.upstreams.fileForms = { transcriptions: 'multipart', documents: 'data' };
  let taken = 0;
  world.upstreams.onChunk = (chunk) => {
    taken += chunk.length;
    assert.ok(read * 1024 <= taken, `${read} KiB were read for ${taken} bytes`);
  };
  const batchId = await world.create(
    [await world.upload(['{"body":{"file_url":"http://a.example/b"}}'])],
    SPEECH,
  );
  world.worker.start();
  assert.equal((await world.ended(batchId)).succeeded, 1);
  assert.equal(read, 1_000);
});

function fetched(chunks: AsyncIterable<Uint8Array> = nothing()): Fetched {
  return {
    length: null,
    contentType: 'audio/wav',
    filename: 'b',
    chunks,
    [Symbol.asyncDispose]: async () => {},
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
