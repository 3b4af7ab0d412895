import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { SimulatedDisk } from '@bora/testkit/simulated-disk';
import { BlobNamePool } from '../src/files/blob-names.ts';
import { IndexThread } from '../src/files/index-thread.ts';
import { ingestFile } from '../src/files/ingest.ts';
import type { IngestOptions, UploadFacts } from '../src/files/ingest.ts';
import { decodeCuts, LineIndexer } from '../src/files/line-index.ts';
import { readBlob } from '../src/files/read-blob.ts';
import { BadBatchFile, FileTooLarge, TooManyLines } from '../src/files/upload-errors.ts';
import { systemClock } from '../src/observe/clock.ts';
import type { ReachStopPoint } from '../src/observe/stop-points.ts';
import { openDiskBlobStore } from '../src/storage/disk/disk-blob-store.ts';
import type { BlobStore } from '../src/storage/ports/blobs.ts';
import { BlobNotWritten } from '../src/storage/ports/file-records.ts';
import type { FileRecord, NewFile } from '../src/storage/ports/file-records.ts';

const FACTS: UploadFacts = {
  id: '11111111-2222-4333-8444-555555555555',
  workspaceId: 'w',
  filename: 'requests.jsonl',
  purpose: 'batch',
  sampleType: 'batch_request',
  source: 'upload',
  mimetype: 'application/jsonl',
  visibility: 'workspace',
  expireMs: null,
  createdBy: null,
};
const CHECKED: IngestOptions = { check: 'refuse-bad-lines' };

/** Names and files as the database keeps them, in memory. */
class FileTable {
  readonly names = new Map<string, 'writing' | 'owned' | 'released'>();
  readonly files: NewFile[] = [];
  readonly answers: ('lost' | 'fail' | 'buried')[] = [];

  async reserveBlobs(_session: string, count: number): Promise<string[]> {
    return Array.from({ length: count }, () => {
      const name = this.names.size.toString(16).padStart(32, '0');
      this.names.set(name, 'writing');
      return name;
    });
  }

  async releaseBlobs(_session: string, names: readonly string[]): Promise<void> {
    for (const name of names) if (this.names.get(name) === 'writing') this.names.set(name, 'released');
  }

  async createFile(file: NewFile, _session: string): Promise<FileRecord> {
    const answer = this.answers.shift();
    if (answer === 'fail') throw new Error('the database went away');
    if (answer === 'buried') throw new BlobNotWritten('the session was buried');
    if (!this.files.some(({ id }) => id === file.id)) {
      for (const blob of [...file.manifest, ...(file.cuts === null ? [] : [file.cuts])]) {
        if (blob.kind !== 'object') continue;
        assert.equal(this.names.get(blob.name), 'writing');
        this.names.set(blob.name, 'owned');
      }
      this.files.push(file);
    }
    if (answer === 'lost') throw new Error('the answer was lost');
    return { ...file, createdAt: 0, expiresAt: null };
  }
}

interface Setting {
  readonly disk: SimulatedDisk;
  readonly blobs: BlobStore;
  readonly table: FileTable;
  readonly indexer: IndexThread;
  ingest(
    source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options?: IngestOptions,
    signal?: AbortSignal,
    reachStopPoint?: ReachStopPoint,
  ): Promise<FileRecord>;
  /** Paths of objects and unfinished objects on the disk, and names that are neither fresh nor owned nor released. */
  leftovers(): Promise<{ objects: string[]; writing: string[]; owned: number }>;
}

async function setting(indexer: IndexThread): Promise<Setting> {
  const disk = new SimulatedDisk();
  const blobs = await openDiskBlobStore(disk);
  const table = new FileTable();
  const names = new BlobNamePool(table, 's');
  return {
    disk,
    blobs,
    table,
    indexer,
    ingest: (source, options = CHECKED, signal, reachStopPoint = () => {}) =>
      ingestFile(
        { database: table, blobs, names, session: 's', indexer, reachStopPoint },
        FACTS,
        asyncOf(source),
        options,
        signal,
      ),
    async leftovers() {
      const folders = await disk.list('objects');
      const objects = (await Promise.all(folders.map((folder) => disk.list(`objects/${folder}`)))).flat();
      const owned = [...table.names.values()].filter((state) => state === 'owned').length;
      return { objects, writing: await disk.list('writing'), owned };
    },
  };
}

function settleAs(check: IngestOptions['check']): IngestOptions {
  return {
    check: 'index-only',
    settle: async (index) => {
      assert.equal(index?.requests, 2);
      return { facts: { ...FACTS, filename: 'settled.jsonl' }, check };
    },
  };
}

async function* brokenOff(): AsyncGenerator<Uint8Array> {
  yield* linesOfRequests(1_000);
  throw new Error('the client went away');
}

async function* asyncOf(
  source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* source;
}

function* linesOfRequests(count: number, size = 1_000): Generator<Buffer> {
  for (let at = 0; at < count; at += 1) {
    yield Buffer.from(`{"custom_id":"${at}","body":{"model":"m","input":"${'é'.repeat(size / 2)}"}}\n`);
  }
}

function chunked(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );
}

async function contentOf({ blobs }: Setting, file: NewFile): Promise<Buffer> {
  return Buffer.concat(await Promise.all(file.manifest.map((blob) => readBlob(blobs, blob))));
}

for (const [size, requests] of [
  ['small', 10],
  ['large', 3_000],
] as const) {
  test(`a ${size} upload becomes a file with its bytes, MD5, line count and index`, async () => {
    await using indexer = new IndexThread(systemClock);
    const here = await setting(indexer);
    const bytes = Buffer.concat([...linesOfRequests(requests)]);
    const record = await here.ingest(chunked(bytes, 50_001));

    const [file] = here.table.files;
    assert.deepEqual(await contentOf(here, file), bytes);
    assert.equal(file.manifest[0].kind, size === 'small' ? 'inline' : 'object');
    assert.equal(record.bytes, bytes.length);
    assert.equal(record.numLines, requests);
    assert.equal(record.signature, createHash('md5').update(bytes).digest('hex'));
    assert.equal(record.filename, 'requests.jsonl');

    const expected = new LineIndexer();
    expected.push(bytes);
    const { summary, cuts } = expected.finish();
    assert.deepEqual(record.lineIndex, summary);
    assert.deepEqual([...decodeCuts(await readBlob(here.blobs, file.cuts!))], [...decodeCuts(cuts)]);
  });
}

test('several large uploads share the thread and do not mix', async () => {
  await using indexer = new IndexThread(systemClock);
  const uploads = await Promise.all(
    [700, 800, 900].map(async (requests) => {
      const here = await setting(indexer);
      const record = await here.ingest(linesOfRequests(requests));
      return [requests, record.numLines, record.lineIndex?.models?.['m']];
    }),
  );
  for (const [requests, ...counted] of uploads) assert.deepEqual(counted, [requests, requests]);
});

test('a file with bad lines is refused whole, with the true number and the first of them', async () => {
  await using indexer = new IndexThread(systemClock);
  const here = await setting(indexer);
  const lines = [...linesOfRequests(2_000)].map((line, at) => (at % 10 === 3 ? Buffer.from('{}\n') : line));
  await assert.rejects(here.ingest(lines), (error: unknown) => {
    assert.ok(error instanceof BadBatchFile);
    assert.equal(error.badLines, 200);
    assert.equal(error.firstBadLines.length, 100);
    assert.deepEqual(
      error.firstBadLines.slice(0, 2).map(({ line }) => line),
      [4, 14],
    );
    assert.equal(error.isEncoding, false);
    return true;
  });
  assert.deepEqual(here.table.files, []);
  assert.deepEqual(await here.leftovers(), { objects: [], writing: [], owned: 0 });
});

test('a file in another encoding is told apart', async () => {
  await using indexer = new IndexThread(systemClock);
  const here = await setting(indexer);
  const latin1 = Buffer.from('{"body":{"input":"é"}}\n', 'latin1');
  await assert.rejects(here.ingest([latin1]), { name: 'BadBatchFile', isEncoding: true, badLines: 1 });
});

test('without the check bad lines are counted and taken', async () => {
  await using indexer = new IndexThread(systemClock);
  const here = await setting(indexer);
  const record = await here.ingest([Buffer.from('{"body":{}}\n{}\n\n')], { check: 'index-only' });
  assert.equal(record.numLines, 2);
  assert.equal(record.lineIndex?.badLines, 1);
});

test('an upload may turn out to be something else once it is read', async () => {
  await using indexer = new IndexThread(systemClock);
  const source = [Buffer.from('{"body":{}}\n{}\n')];
  const here = await setting(indexer);
  await assert.rejects(here.ingest(source, settleAs('refuse-bad-lines')), BadBatchFile);
  const record = await here.ingest(source, settleAs('no-index'));
  assert.deepEqual([record.filename, record.numLines, record.lineIndex], ['settled.jsonl', 2, null]);
  assert.equal(here.table.files[0].cuts, null);

  const refused = await setting(indexer);
  const refuses: IngestOptions = {
    check: 'index-only',
    settle: () => Promise.reject(new Error('unknown purpose')),
  };
  await assert.rejects(refused.ingest(linesOfRequests(1_000), refuses), /unknown purpose/);
  assert.deepEqual(await refused.leftovers(), { objects: [], writing: [], owned: 0 });
});

test('an empty file is no batch file, and otherwise a file of zero bytes', async () => {
  await using indexer = new IndexThread(systemClock);
  const here = await setting(indexer);
  for (const source of [[], [Buffer.from(' \n\r\n')]]) {
    await assert.rejects(here.ingest(source), /no requests/);
  }
  const record = await here.ingest([], { check: 'no-index' });
  assert.deepEqual(
    [record.bytes, record.numLines, record.signature],
    [0, 0, 'd41d8cd98f00b204e9800998ecf8427e'],
  );
  assert.deepEqual(here.table.files[0].manifest, []);
});

test('a file without an index has its lines counted if it has lines', async () => {
  await using indexer = new IndexThread(systemClock);
  const source = [Buffer.from('anything\n \n'), Buffer.from('x'.repeat(300_000))];
  const jsonl = await setting(indexer);
  assert.equal((await jsonl.ingest(source, { check: 'no-index' })).numLines, 2);
  assert.equal(jsonl.table.files[0].cuts, null);

  const pdf = await setting(indexer);
  const { blobs, table } = pdf;
  const names = new BlobNamePool(table, 's');
  const deps = { database: table, blobs, names, session: 's', indexer, reachStopPoint: () => {} };
  const facts = { ...FACTS, mimetype: 'application/pdf' };
  assert.equal((await ingestFile(deps, facts, asyncOf(source), { check: 'no-index' })).numLines, 0);
});

test('limits refuse: bytes as soon as they are passed, lines at the end', async () => {
  await using indexer = new IndexThread(systemClock);
  const here = await setting(indexer);
  let sent = 0;
  const source = (function* () {
    for (const line of linesOfRequests(10_000)) {
      sent += line.length;
      yield line;
    }
  })();
  await assert.rejects(here.ingest(source, { ...CHECKED, maxBytes: 100_000 }), FileTooLarge);
  assert.ok(sent < 300_000, `${sent} bytes were read of a file that could not be taken`);
  await assert.rejects(here.ingest(linesOfRequests(11), { ...CHECKED, maxLines: 10 }), TooManyLines);
  await here.ingest(linesOfRequests(10), { ...CHECKED, maxLines: 10 });
});

test('an upload that breaks off leaves nothing behind', async () => {
  await using indexer = new IndexThread(systemClock);
  const abort = new AbortController();
  const aborted = async function* (): AsyncGenerator<Uint8Array> {
    yield* linesOfRequests(1_000);
    abort.abort(new Error('stopping'));
    yield* linesOfRequests(1_000);
  };
  const cases = [
    [brokenOff(), undefined, /client went away/],
    [aborted(), abort.signal, /stopping/],
  ] as const;
  for (const [source, signal, message] of cases) {
    const here = await setting(indexer);
    await assert.rejects(here.ingest(source, CHECKED, signal), message);
    assert.deepEqual(await here.leftovers(), { objects: [], writing: [], owned: 0 });
    assert.ok([...here.table.names.values()].includes('released'), 'the name is given up');
  }
});

test('a disk that fails at any step fails the upload, and never leaves a file that names lost bytes', async () => {
  await using indexer = new IndexThread(systemClock);
  const lines = [...linesOfRequests(400)];
  const healthy = await setting(indexer);
  const before = healthy.disk.changes;
  await healthy.ingest(lines);
  const steps = healthy.disk.changes - before;
  assert.ok(steps >= 5, `${steps} changes`);

  for (let nth = 1; nth <= steps; nth += 1) {
    const here = await setting(indexer);
    here.disk.injectFault({ nth, code: 'EIO' });
    await assert.rejects(here.ingest(lines), { code: 'EIO' }, `change ${nth}`);
    assert.deepEqual(here.table.files, []);
    assert.equal((await here.leftovers()).owned, 0);
    here.disk.crash();
    assert.equal((await here.ingest(lines)).numLines, 400);
  }
});

test('bytes are durable before the file exists', async () => {
  await using indexer = new IndexThread(systemClock);
  const here = await setting(indexer);
  const seen: unknown[] = [];
  const lines = [...linesOfRequests(400)];
  await here.ingest(lines, CHECKED, undefined, async (point) => {
    const { objects } = await here.leftovers();
    seen.push([point, objects.length, here.table.files.length]);
    if (point === 'upload.durable') here.disk.crash();
  });
  assert.deepEqual(seen, [
    ['upload.written', 0, 0],
    ['upload.durable', 1, 0],
  ]);
  assert.deepEqual(await contentOf(here, here.table.files[0]), Buffer.concat(lines));
});

test('a lost answer of the database is asked for again, and makes one file', async () => {
  await using indexer = new IndexThread(systemClock);
  const here = await setting(indexer);
  here.table.answers.push('lost');
  const record = await here.ingest(linesOfRequests(400));
  assert.equal(record.id, FACTS.id);
  assert.equal(here.table.files.length, 1);
});

test('a file that was made although its answer was lost twice keeps its bytes', async () => {
  await using indexer = new IndexThread(systemClock);
  const here = await setting(indexer);
  here.table.answers.push('lost', 'lost');
  const lines = [...linesOfRequests(400)];
  await assert.rejects(here.ingest(lines), /answer was lost/);
  assert.equal((await here.leftovers()).owned, 1);
  assert.deepEqual(await contentOf(here, here.table.files[0]), Buffer.concat(lines));
});

test('a file that could not be made gives its name up; a buried session is not asked twice', async () => {
  await using indexer = new IndexThread(systemClock);
  for (const answers of [['fail', 'fail'], ['buried']] as const) {
    const here = await setting(indexer);
    here.table.answers.push(...answers);
    await assert.rejects(here.ingest(linesOfRequests(400)));
    assert.deepEqual(here.table.answers, []);
    assert.ok([...here.table.names.values()].includes('released'));
    assert.equal((await here.leftovers()).owned, 0);
  }
});

test('the source waits while the disk does', async () => {
  await using indexer = new IndexThread(systemClock);
  const here = await setting(indexer);
  const chunk = Buffer.concat([...linesOfRequests(100)]);
  const gate = Promise.withResolvers<void>();
  const slowDisk: Pick<BlobStore, 'create'> = {
    async create(name) {
      const writer = await here.blobs.create(name);
      return {
        async write(bytes) {
          await gate.promise;
          await writer.write(bytes);
        },
        finish: () => writer.finish(),
        abandon: () => writer.abandon(),
      };
    },
  };
  let pulled = 0;
  const source = (async function* () {
    for (; pulled < 50; pulled += 1) yield chunk;
  })();
  const names = new BlobNamePool(here.table, 's');
  const deps = {
    database: here.table,
    blobs: slowDisk,
    names,
    session: 's',
    indexer,
    reachStopPoint: () => {},
  };
  const ingesting = ingestFile(deps, FACTS, source, CHECKED);
  // Many turns of the event loop: whatever could be pulled without the disk would be by then.
  for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
  assert.ok(pulled <= 1, `${pulled} chunks were pulled before the first was written`);
  gate.resolve();
  assert.equal((await ingesting).bytes, 50 * chunk.length);
});

test('stopping the index thread fails the uploads it reads', async () => {
  const indexer = new IndexThread(systemClock);
  const stream = indexer.open('requests');
  for (const line of linesOfRequests(400)) await stream.push(line);
  const finished = assert.rejects(async () => {
    for (;;) await stream.push(Buffer.alloc(64 * 1024));
  }, /shutting down/);
  await indexer[Symbol.asyncDispose]();
  await finished;
});

test('whoever has more to read waits while the index thread has enough of any upload', async () => {
  await using indexer = new IndexThread(systemClock);
  const enough = Buffer.alloc(2 * 1024 * 1024);
  const first = indexer.open('bytes');
  await first.push(enough);
  const second = indexer.open('bytes');
  let mayGoOn = false;
  const pushed = second.push(enough).then(() => {
    mayGoOn = true;
  });
  // The thread can only report in a later turn of the event loop, so nothing but the push itself could have settled it.
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  assert.equal(mayGoOn, false);
  await pushed;
  const md5 = createHash('md5').update(enough).digest('hex');
  for (const stream of [first, second]) assert.equal((await stream.finish()).md5, md5);
});

test('the cuts of a file of very many lines are kept as it is read, and dropped where they are not wanted', async () => {
  await using indexer = new IndexThread(systemClock);
  const bytes = Buffer.from('{"custom_id":"a","body":{}}\n'.repeat(200_000));
  const here = await setting(indexer);
  await here.ingest(chunked(bytes, 60_000));
  const [{ cuts }] = here.table.files;
  assert.equal(cuts?.kind, 'object');
  const expected = new LineIndexer();
  expected.push(bytes);
  assert.ok(Buffer.from(expected.finish().cuts).equals(await readBlob(here.blobs, cuts)));

  const other = await setting(indexer);
  const settle: IngestOptions['settle'] = async () => ({ facts: FACTS, check: 'no-index' });
  await other.ingest(chunked(bytes, 60_000), { check: 'index-only', settle });
  assert.equal(other.table.files[0].cuts, null);
  assert.deepEqual((await other.leftovers()).writing, []);
});

test('a dead index thread fails the uploads it read, and the next upload gets a new one', async () => {
  const dies = `import { parentPort } from 'node:worker_threads';
    parentPort.on('message', () => { throw new Error('out of memory'); });`;
  await using indexer = new IndexThread(
    systemClock,
    new URL(`data:text/javascript,${encodeURIComponent(dies)}`),
  );
  for (let upload = 0; upload < 2; upload += 1) {
    const here = await setting(indexer);
    await assert.rejects(here.ingest(linesOfRequests(3_000)), /index thread died/);
    assert.deepEqual(await here.leftovers(), { objects: [], writing: [], owned: 0 });
  }
});
