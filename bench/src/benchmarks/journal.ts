import { randomUUID } from 'node:crypto';
import { openSqliteDatabase } from '@bora/server/storage/sqlite/open-sqlite-database';
import { systemClock } from '@bora/server/observe/clock';
import type { Database } from '@bora/server/storage/ports/database';
import type { JournalRow } from '@bora/server/storage/ports/journal';
import type { ClaimedShard, ShardCommit } from '@bora/server/storage/ports/shard-queue';
import type { Benchmark, Setup } from '../benchmark.ts';
import { makeScratchFolder } from '../scratch-folder.ts';

const OUTCOME_BYTES = 1024;
const OUTCOMES_PER_TRANSACTION = 64;
const REQUESTS_PER_SHARD = 1_000;

/**
 * What the journal costs an outcome, through the real database: append in transactions of 64 KiB, read back as a commit does, and
 * the commit, which deletes. Processor time of all threads, the caller's side of the crossing to the database thread and
 * the kernel's part included. An outcome shares its row with the others of its shard in the same transaction, so it costs the
 * more the more shards are open at once; dispatch therefore fills its window from as few as the order allows.
 *
 * No limit is set on it: it explains a part of throughput.ts.
 */
export const journal: Benchmark<'over1' | 'over8' | 'over64'> = {
  name: 'journal',
  question: 'What does the journal cost an outcome, over how many open shards?',
  configuration: (setup) =>
    `${outcomesOf(setup)} outcomes of 1 KiB, 64 KiB per transaction, shards of ${REQUESTS_PER_SHARD}`,
  figures: {
    over1: { label: 'CPU per outcome, 1 open shard', unit: 'µs' },
    over8: { label: 'CPU per outcome, 8 open shards', unit: 'µs' },
    over64: { label: 'CPU per outcome, 64 open shards', unit: 'µs' },
  },
  async *measure(setup) {
    for (let run = 0; run < setup.runs; run++) {
      yield {
        over1: await costOver(1, setup),
        over8: await costOver(8, setup),
        over64: await costOver(64, setup),
      };
    }
  },
};

/** Microseconds per outcome with `spread` shards open at once. */
async function costOver(spread: number, setup: Setup): Promise<number> {
  await using folder = await makeScratchFolder(setup.folder);
  await using database = await openSqliteDatabase({ folder: folder.path, clock: systemClock });
  const session = await database.openSession();
  const shards = outcomesOf(setup) / REQUESTS_PER_SHARD;
  await planBatch(database, session, shards);

  let cpuMicros = 0;
  for (let done = 0; done < shards; done += spread) {
    const open = await database.claimShards({ session, routes: 'any', limit: spread, perBatch: spread });
    const names = await database.reserveBlobs(session, open.length);
    const before = process.cpuUsage();
    await journalAll(database, session, open);
    await commitAll(database, session, open, names);
    const { user, system } = process.cpuUsage(before);
    cpuMicros += user + system;
  }
  return cpuMicros / outcomesOf(setup);
}

async function planBatch(database: Database, session: string, shards: number): Promise<void> {
  const { id: workspaceId } = await database.defaultWorkspace();
  const facts = { workspaceId, createdBy: null };
  const { id: fileId } = await database.createFile(
    {
      ...facts,
      id: randomUUID(),
      filename: 'requests.jsonl',
      purpose: 'batch',
      sampleType: 'batch_request',
      source: 'upload',
      mimetype: 'application/jsonl',
      bytes: 1,
      numLines: 1,
      signature: null,
      visibility: 'workspace',
      expireMs: null,
      lineIndex: null,
      manifest: [{ kind: 'inline', bytes: Buffer.from('\n') }],
      cuts: null,
    },
    session,
  );
  await database.createBatch(
    {
      ...facts,
      id: randomUUID(),
      dialect: 'mistral',
      endpoint: '/v1/chat/completions',
      model: 'm',
      agentId: null,
      metadata: null,
      timeoutMs: 86_400_000,
      inputFileIds: [fileId],
      inline: false,
      totalRequests: null,
      routes: null,
      priority: 0,
    },
    { maxPendingRequests: null, maxActiveJobs: null },
  );
  const task = await database.claimTask(session);
  if (task === null) throw new Error('There is no plan to make.');
  const count = REQUESTS_PER_SHARD;
  const planned = Array.from({ length: shards }, (_, number) => ({
    number,
    firstOrdinal: number * count,
    count,
    input: 0,
    start: 0,
    length: 1,
    firstLine: 1,
  }));
  await database.addShards(task, planned);
  await database.finishPlan(task, { totalRequests: shards * count, routes: null });
}

/** Each transaction takes the next outcomes of all open shards evenly, as answers come in when all are being sent. */
async function journalAll(database: Database, session: string, open: readonly ClaimedShard[]): Promise<void> {
  const perRow = OUTCOMES_PER_TRANSACTION / open.length;
  for (let place = 0, sequence = 0; place < REQUESTS_PER_SHARD; place += perRow, sequence++) {
    const count = Math.min(perRow, REQUESTS_PER_SHARD - place);
    const results = await database.appendJournal(
      session,
      open.map((shard) => journalRow(shard, sequence, place, count)),
    );
    if (results.includes('fenced')) throw new Error('The lease of a shard is gone.');
  }
}

function journalRow(
  { id, epoch, firstOrdinal }: ClaimedShard,
  sequence: number,
  from: number,
  count: number,
): JournalRow {
  const outcomes = Array.from({ length: count }, (_, place) => ({
    ordinal: firstOrdinal + from + place,
    kind: 'succeeded' as const,
    length: OUTCOME_BYTES,
    blob: null,
    error: null,
    inputTokens: 210,
    outputTokens: 240,
  }));
  return { shardId: id, epoch, sequence, outcomes, bytes: Buffer.alloc(count * OUTCOME_BYTES, 'x') };
}

/** Reads back what a commit reads; its result blobs are not written, for they are no cost of the journal. */
async function commitAll(
  database: Database,
  session: string,
  open: readonly ClaimedShard[],
  names: readonly string[],
): Promise<void> {
  const commits: ShardCommit[] = [];
  for (const [place, { id: shardId, epoch, count }] of open.entries()) {
    const lease = { shardId, epoch, session };
    const index = await database.readJournalIndex(lease);
    const read = index && (await database.readJournalBytes(lease, index));
    const length = read?.reduce((sum, bytes) => sum + bytes.length, 0) ?? 0;
    if (length !== count * OUTCOME_BYTES) throw new Error(`Shard ${shardId} gave back ${length} bytes.`);
    const blob = { kind: 'object', name: names[place], offset: 0, length, checksum: '00000000' } as const;
    commits.push({ shardId, epoch, parts: [{ kind: 'output', blob, lines: count }], errors: {} });
  }
  await database.commitShards(session, commits);
}

function outcomesOf({ isQuick }: Setup): number {
  return isQuick ? 64_000 : 128_000;
}
