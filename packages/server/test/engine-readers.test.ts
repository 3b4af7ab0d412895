import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readPartialResults } from '../src/batches/partial-results.ts';
import { readFileRange } from '../src/files/content.ts';
import type { BlobStore } from '../src/storage/ports/blobs.ts';
import type { NewBatch } from '../src/storage/ports/batch-records.ts';
import type { ResultPart } from '../src/storage/ports/shard-queue.ts';
import { openEngineWorld } from './engine-world.ts';
import type { EngineWorld } from './engine-world.ts';
import { Gates } from './gates.ts';
import { linesOf } from './result-world.ts';
import { failed, hang, succeeded } from './scripted-upstreams.ts';

const OPTIONS = { timeout: 60_000 };
/** One shard. */
const REQUESTS = 16;
/** A page holds eight such lines. */
const LARGE = { text: 'x'.repeat(30_000) };
const PAGE = 8;

/** Lines that are good in both dialects. */
const LINES = Array.from({ length: REQUESTS }, (_, at) =>
  JSON.stringify({
    custom_id: `r${at}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'm', messages: [{ role: 'user', content: `r${at}` }] },
  }),
);

/**
 * A batch of one shard, of which all requests but the last are answered and journaled, the third with a refusal; the last waits for
 * `answerLast`.
 */
interface HeldBatch extends EngineWorld {
  readonly gates: Gates;
  readonly blobs: BlobStore;
  readonly batchId: string;
  answerLast(): void;
}

async function startHeld(batch: Partial<NewBatch> = {}): Promise<HeldBatch> {
  const gates = new Gates();
  let blobs: BlobStore | null = null;
  const world = await openEngineWorld({
    reachStopPoint: gates.reachStopPoint,
    speed: 20,
    blobs: (opened) => (blobs = opened),
  });
  const last = Promise.withResolvers<void>();
  world.upstreams.answer = async (body, _, signal) => {
    const question = JSON.stringify(body.messages);
    if (question.includes('"r2"')) return failed(400);
    if (question.includes(`"r${REQUESTS - 1}"`)) await Promise.race([last.promise, hang(signal)]);
    return succeeded(LARGE);
  };
  const batchId = await world.create([await world.upload(LINES)], batch);
  world.worker.start();
  await world.until(batchId, (seen) => seen.succeeded + seen.failed === REQUESTS - 1);
  return {
    ...world,
    gates,
    blobs: blobs!,
    batchId,
    answerLast: last.resolve,
    async [Symbol.asyncDispose]() {
      gates.letAllGo();
      await world[Symbol.asyncDispose]();
    },
  };
}

/** A reader that has taken its first page, of so many lines. */
async function beginToRead(
  world: HeldBatch,
  kind: ResultPart['kind'] = 'output',
  lines = PAGE,
): Promise<() => Promise<string[]>> {
  const { workspaceId, batchId: id } = world;
  const reader = readPartialResults(world, { workspaceId, id }, kind);
  const chunks = [Buffer.from((await reader.next()).value as Uint8Array)];
  assert.equal(linesOf(chunks).length, lines);
  return async () => {
    for await (const chunk of reader) chunks.push(Buffer.from(chunk));
    return linesOf(chunks);
  };
}

async function linesAtEnd(world: HeldBatch, kind: ResultPart['kind'] = 'output'): Promise<string[]> {
  const { outputFileId, errorFileId } = await world.ended(world.batchId);
  const fileId = kind === 'output' ? outputFileId! : errorFileId!;
  const { bytes } = (await world.database.getFile(world.workspaceId, fileId, null))!;
  return linesOf(await Array.fromAsync(readFileRange(world, fileId, 0, bytes)));
}

describe('a slow reader of partial results', OPTIONS, () => {
  it('goes on before, between and behind commit and finalise, and has the lines of the file', async () => {
    await using world = await startHeld();
    const [before, between, behind] = [
      await beginToRead(world),
      await beginToRead(world),
      await beginToRead(world),
    ];
    const commit = world.gates.hold('commit.after-blobs');
    const finalise = world.gates.hold('finalise.claimed');
    world.answerLast();
    await commit.reached;
    const uncommitted = await before();
    commit.letGo();
    await finalise.reached;
    const committed = await between();
    finalise.letGo();
    const lines = await linesAtEnd(world);
    assert.equal(lines.length, REQUESTS - 1);
    assert.deepEqual(uncommitted, lines.slice(0, -1));
    assert.deepEqual(committed, lines);
    assert.deepEqual(await behind(), lines);
  });

  it('has the lines of the file though another worker takes over meanwhile', async () => {
    await using world = await startHeld();
    const readOn = await beginToRead(world);
    await world.database.burySilentSessions(-1);
    world.upstreams.answer = () => succeeded({ text: 'another answer' });
    const another = world.another();
    another.start();
    try {
      const lines = await linesAtEnd(world);
      assert.deepEqual(await readOn(), lines);
      assert.match(lines.at(-1)!, /another answer/);
    } finally {
      await another.stop(0);
    }
  });

  it('has the errors that a cancel leaves behind its place', async () => {
    await using world = await startHeld({ dialect: 'openai' });
    const readOn = await beginToRead(world, 'error', 1);
    await world.database.cancelBatch(world.workspaceId, world.batchId);
    const lines = await linesAtEnd(world, 'error');
    assert.equal(lines.length, 2);
    assert.match(lines[1], /batch_cancelled/);
    assert.deepEqual(await readOn(), lines);
  });
});
