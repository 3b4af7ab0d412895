import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResultLine } from '@bora/protocol/mistral-lines';
import type { Database } from '../src/storage/ports/database.ts';
import { BreakableUpstream, hold, json } from './breakable-upstream.ts';
import type { ReceivedRequest } from './breakable-upstream.ts';
import { answerWell, errorOf, questionLine, questionOf, startPacedBora, waitingOf } from './paced-bora.ts';
import type { PacedBora } from './paced-bora.ts';

const TIMEOUT = { timeout: 20_000 };
const CHAT = '/v1/chat/completions';
const QUESTIONS = ['a', 'b', 'c', 'd', 'e', 'f'];

interface Pair extends AsyncDisposable {
  /** Serves `m`. */
  readonly left: BreakableUpstream;
  /** Serves `m`, or what it was opened with. */
  readonly right: BreakableUpstream;
  readonly bora: PacedBora;
}

/** A Bora over two upstreams that answer well, two requests at once each. */
async function startPair(rightModels: readonly string[] = ['m']): Promise<Pair> {
  await using starting = new AsyncDisposableStack();
  const left = starting.use(await BreakableUpstream.open());
  const right = starting.use(await BreakableUpstream.open());
  right.listing = json(200, { object: 'list', data: rightModels.map((id) => ({ id })) });
  left.reply = answerWell;
  right.reply = answerWell;
  const bora = starting.use(
    await startPacedBora({
      upstreams: [
        { name: 'left', url: left.url, max_in_flight: 2 },
        { name: 'right', url: right.url, max_in_flight: 2 },
      ],
    }),
  );
  const started = starting.move();
  return { left, right, bora, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
}

test(
  'of two upstreams one dies with requests in flight: the other does all, and nothing waits',
  TIMEOUT,
  async () => {
    await using pair = await startPair();
    const { left, right, bora } = pair;
    left.reply = hold;
    right.reply = hold;
    const id = await bora.ask(QUESTIONS);
    await bora.received(left, 2);
    await bora.received(right, 2);
    await left.close();
    right.reply = answerWell;
    for (const request of right.requests) answerWell(request);

    const job = await bora.ended(id);
    assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['SUCCESS', 6, 0]);
    assert.equal(waitingOf(job), '');
    assert.deepEqual(right.requests.map(questionOf).toSorted(), QUESTIONS);

    const next = await bora.ask(QUESTIONS);
    assert.equal(waitingOf(await bora.client.jobs.get(next)), '', 'one upstream is enough');
    await bora.ended(next);
    assert.equal(left.requests.length, 2);
  },
);

test(
  'lines bring their models: those whose upstream is down wait, and the others do not',
  TIMEOUT,
  async () => {
    await using pair = await startPair(['n']);
    const { left, right, bora } = pair;
    await right.close();
    const lines = QUESTIONS.map((question, at) => questionLine(question, at % 2 === 0 ? 'm' : 'n'));
    const input = await bora.client.files.upload(new Blob(lines));
    const created = await bora.client.jobs.create({ endpoint: CHAT, input_files: [input.id] });
    assert.equal(created.model, 'mixed');

    const half = await bora.until(created.id, (job) => job.succeeded_requests === 3 && waitingOf(job) !== '');
    assert.deepEqual([half.status, half.failed_requests], ['RUNNING', 0]);
    assert.equal(waitingOf(half).match(new RegExp(right.url, 'g'))?.length, 1, waitingOf(half));
    assert.match(waitingOf(half), /refuses connections/);
    assert.deepEqual(left.requests.map(questionOf).toSorted(), ['a', 'c', 'e']);

    await right.listen();
    const job = await bora.ended(created.id);
    assert.deepEqual([job.status, job.succeeded_requests, job.model], ['SUCCESS', 6, 'mixed']);
    assert.deepEqual(right.requests.map(questionOf).toSorted(), ['b', 'd', 'f']);
  },
);

test(
  'a job waits for the upstreams of its model only, known from before or not heard yet',
  TIMEOUT,
  async () => {
    await using pair = await startPair(['n']);
    const { left, right, bora } = pair;
    await left.close();
    await right.close();
    const other = await bora.ask(['b']);
    await bora.until(other, (job) => waitingOf(job).includes(left.url));
    const known = await bora.client.jobs.create({
      endpoint: CHAT,
      model: 'n',
      input_files: [await bora.uploadQuestions(['a'])],
    });
    const waiting = waitingOf(await bora.until(known.id, (job) => waitingOf(job).includes('refuses')));
    assert.ok(waiting.includes(right.url) && !waiting.includes(left.url), waiting);

    await left.listen();
    await using later = await startPacedBora({ upstreams: [{ url: left.url }, { url: right.url }] });
    const input_files = [await later.uploadQuestions(['a'])];
    await assert.rejects(later.client.jobs.create({ endpoint: CHAT, model: 'n', input_files }), {
      status: 422,
      message: new RegExp(`Served are: m\\. What ${right.url} would serve is not known yet; try again`),
    });
  },
);

test('the model of the job wins over those of its lines, known or not', TIMEOUT, async () => {
  await using pair = await startPair(['n']);
  const { left, right, bora } = pair;
  const input = await bora.client.files.upload(new Blob([questionLine('a', 'n'), questionLine('b', 'huge')]));
  const { id } = await bora.client.jobs.create({ endpoint: CHAT, model: 'm', input_files: [input.id] });
  const job = await bora.ended(id);
  assert.deepEqual([job.status, job.succeeded_requests, job.model], ['SUCCESS', 2, 'm']);
  assert.deepEqual([left.requests.length, right.requests.length], [2, 0]);
  for (const { body } of left.requests)
    assert.equal((JSON.parse(body.toString()) as { model: string }).model, 'm');
});

test('over a file that nobody checked bad lines become error lines and good ones run', TIMEOUT, async () => {
  await using upstream = await BreakableUpstream.open();
  upstream.reply = answerWell;
  // What a purpose other than batch lets through is made a batch file without an index here, as an import would.
  const unchecked = (database: Database): Database => ({
    ...database,
    createFile: (file, session) =>
      database.createFile({ ...file, purpose: 'batch', sampleType: 'batch_request' }, session),
  });
  await using bora = await startPacedBora({
    upstreams: [{ url: upstream.url }],
    overrides: { database: unchecked },
  });
  const lines = [
    questionLine('a'),
    'nonsense\n',
    '\n',
    '{"custom_id":"no body"}\n',
    '[1]\n',
    questionLine('b'),
  ];
  const input = await bora.client.files.upload(new Blob(lines), { purpose: 'ocr' });
  const { id, total_requests: total } = await bora.client.jobs.create({
    endpoint: CHAT,
    model: 'm',
    input_files: [input.id],
  });
  assert.equal(total, 0, 'nobody has counted them yet');

  const job = await bora.ended(id);
  assert.deepEqual(
    [job.status, job.total_requests, job.succeeded_requests, job.failed_requests, job.errors],
    ['SUCCESS', 5, 2, 3, [{ message: 'Invalid line', count: 3 }]],
  );
  const rows = await resultsInOrder(bora, id);
  assert.deepEqual(
    rows.map((row) => [row.custom_id, row.response?.status_code]),
    [
      ['a', 200],
      [null, 422],
      [null, 422],
      [null, 422],
      ['b', 200],
    ],
  );
  assert.match(errorOf(rows[1]), /Line 2: .*"code":"invalid_line"/);
  assert.match(errorOf(rows[2]), /Line 4: /);
  assert.equal(upstream.requests.length, 2);
});

test('a file named twice runs twice, with a line of its own for each', TIMEOUT, async () => {
  await using pair = await startPair();
  const { bora } = pair;
  const input = await bora.uploadQuestions(['a', 'b']);
  const { id } = await bora.client.jobs.create({ endpoint: CHAT, model: 'm', input_files: [input, input] });
  const job = await bora.ended(id);
  assert.deepEqual([job.input_files, job.total_requests, job.succeeded_requests], [[input, input], 4, 4]);
  const rows = await resultsInOrder(bora, id);
  assert.deepEqual(
    rows.map((row) => row.custom_id),
    ['a', 'b', 'a', 'b'],
  );
  assert.equal(new Set(rows.map((row) => row.id)).size, 4);
});

test(
  'the input of a running job is deleted: it is gone for all others, and the job runs to its end',
  TIMEOUT,
  async () => {
    await using pair = await startPair();
    const { left, right, bora } = pair;
    const input = await bora.uploadQuestions(QUESTIONS);
    left.reply = hold;
    right.reply = hold;
    const { id } = await bora.client.jobs.create({ endpoint: CHAT, model: 'm', input_files: [input] });
    await bora.received(left, 2);
    assert.deepEqual(await bora.client.files.delete(input), { id: input, object: 'file', deleted: true });
    await assert.rejects(bora.client.files.retrieve(input), { status: 404 });
    await assert.rejects(bora.client.jobs.create({ endpoint: CHAT, model: 'm', input_files: [input] }), {
      status: 404,
    });
    // Its shard is parked, and read anew after a time in which the file would be purged, were nobody to read it.
    await left.close();
    await right.close();
    await bora.pass(120_000);
    left.reply = answerWell;
    await left.listen();
    const job = await bora.ended(id);
    assert.deepEqual([job.status, job.succeeded_requests, job.input_files], ['SUCCESS', 6, [input]]);
    await bora.pass(120_000);
    assert.equal((await bora.results(job)).size, 6, 'results outlive their input');
  },
);

test('a running job is deleted: it is gone at once, and nothing more is sent', TIMEOUT, async () => {
  await using pair = await startPair();
  const { left, right, bora } = pair;
  left.reply = hold;
  right.reply = hold;
  const input = await bora.uploadQuestions(QUESTIONS);
  const { id } = await bora.client.jobs.create({ endpoint: CHAT, model: 'm', input_files: [input] });
  await bora.received(left, 2);
  await bora.received(right, 2);
  assert.deepEqual(await bora.client.jobs.delete(id), { id, object: 'batch', deleted: true });
  await assert.rejects(bora.client.jobs.get(id), { status: 404 });
  await assert.rejects(bora.client.jobs.cancel(id), { status: 404 });
  await assert.rejects(bora.client.jobs.delete(id), { status: 404 });
  assert.equal((await bora.client.jobs.list()).total, 0);

  left.reply = answerWell;
  right.reply = answerWell;
  for (const request of [...left.requests, ...right.requests]) answerWell(request);
  await bora.pass(60_000);
  assert.equal(left.requests.length + right.requests.length, 4);
  assert.equal((await bora.client.files.retrieve(input)).deleted, false, 'files are objects of their own');
  const next = await bora.ended(await bora.ask(QUESTIONS));
  assert.deepEqual([next.status, next.succeeded_requests], ['SUCCESS', 6]);
});

async function resultsInOrder(bora: PacedBora, jobId: string): Promise<ResultLine[]> {
  return (await bora.client.jobs.get(jobId, { inline: true })).outputs ?? [];
}

test(
  'a model that is dead on an upstream whose other models work waits alone, and says so',
  TIMEOUT,
  async () => {
    await using upstream = await BreakableUpstream.open();
    upstream.listing = json(200, { object: 'list', data: [{ id: 'm' }, { id: 'dead' }] });
    const isDead = ({ body }: ReceivedRequest): boolean => body.includes('"model":"dead"');
    upstream.reply = (request) =>
      (isDead(request) ? json(500, { error: 'CUDA error' }) : answerWell)(request);
    await using bora = await startPacedBora({ upstreams: [{ url: upstream.url, max_in_flight: 4 }] });
    const { id } = await bora.client.jobs.create({
      endpoint: CHAT,
      model: 'dead',
      input_files: [await bora.uploadQuestions(['a', 'b', 'c', 'd', 'e', 'f'])],
    });
    const waiting = await bora.until(id, (job) => waitingOf(job) !== '');
    assert.match(waitingOf(waiting), /answers HTTP 500.*, whatever it is asked of model dead, since/);
    assert.equal((await bora.ended(await bora.ask(['g', 'h', 'i']))).succeeded_requests, 3);
    // In steps so long that each listing comes too late: then it is one silent upstream that fails whatever it is asked.
    await bora.pass(3_600_000);
    const still = await bora.client.jobs.get(id);
    assert.deepEqual([still.status, still.failed_requests], ['RUNNING', 0]);
    upstream.reply = answerWell;
    assert.equal((await bora.ended(id)).succeeded_requests, 6);
  },
);
