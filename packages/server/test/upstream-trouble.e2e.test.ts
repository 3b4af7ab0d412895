import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { BreakableUpstream, hold, json } from './breakable-upstream.ts';
import type { ReceivedRequest } from './breakable-upstream.ts';
import { answerWell, errorOf, questionOf, startPacedBora, waitingOf } from './paced-bora.ts';
import type { PacedBora } from './paced-bora.ts';

const TIMEOUT = { timeout: 20_000 };
const QUESTIONS = ['a', 'b', 'c', 'd', 'e', 'f'];

type Reply = (request: ReceivedRequest) => void;

interface Trouble extends AsyncDisposable {
  readonly upstream: BreakableUpstream;
  readonly bora: PacedBora;
}

/** A Bora over one upstream that answers well, and serves the model `m`. */
async function startTrouble(
  upstreamOptions: { max_in_flight?: number; timeout_seconds?: number } = {},
  env: Record<string, string> = {},
): Promise<Trouble> {
  await using starting = new AsyncDisposableStack();
  const upstream = starting.use(await BreakableUpstream.open());
  upstream.reply = answerWell;
  const bora = starting.use(
    await startPacedBora({ upstreams: [{ name: 'gpu', url: upstream.url, ...upstreamOptions }], env }),
  );
  const started = starting.move();
  return { upstream, bora, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
}

/** Replies with each of `first` in turn, then well. */
function firstThenWell(...first: readonly Reply[]): Reply {
  const left = [...first];
  return (request) => (left.shift() ?? answerWell)(request);
}

function assertAllSucceeded(job: BatchJob, count = QUESTIONS.length): void {
  assert.deepEqual(
    [job.status, job.total_requests, job.succeeded_requests, job.failed_requests, job.errors, job.error_file],
    ['SUCCESS', count, count, 0, [], null],
  );
}

test(
  'a job made while its upstream is down waits, says why, and runs once the upstream is there',
  TIMEOUT,
  async () => {
    await using upstream = await BreakableUpstream.open();
    upstream.reply = answerWell;
    await upstream.close();
    await using bora = await startPacedBora({ upstreams: [{ url: upstream.url }] });

    const id = await bora.ask(QUESTIONS);
    const waiting = await bora.until(id, (job) => job.bora?.state === 'queued');
    assert.deepEqual(
      [waiting.status, waiting.started_at, waiting.total_requests, waiting.completed_requests],
      ['QUEUED', null, 6, 0],
    );
    assert.match(
      waitingOf(waiting),
      /^http:\/\/127\.0\.0\.1:\d+ refuses connections \(ECONNREFUSED\) since \d+ s; next try in \d+ s\.$/,
    );

    await upstream.listen();
    assertAllSucceeded(await bora.ended(id));
    assert.equal(upstream.requests.length, 6);
  },
);

test(
  'an upstream that dies with requests in flight costs no line, and only those are sent again',
  TIMEOUT,
  async () => {
    await using trouble = await startTrouble({ max_in_flight: 2 });
    const { upstream, bora } = trouble;
    upstream.reply = (request) => ('ab'.includes(questionOf(request)) ? answerWell : hold)(request);
    const id = await bora.ask(QUESTIONS);
    await bora.received(upstream, 4);
    await bora.until(id, ({ succeeded_requests: done }) => done === 2);
    await upstream.close();
    upstream.reply = answerWell;

    const waiting = await bora.until(id, (job) => waitingOf(job) !== '');
    assert.match(waitingOf(waiting), /next try in/);
    assert.deepEqual([waiting.status, waiting.succeeded_requests], ['RUNNING', 2]);
    await upstream.listen();
    assertAllSucceeded(await bora.ended(id));
    assert.deepEqual(upstream.requests.map(questionOf).toSorted().join(''), 'abccddef');
  },
);

for (const status of [429, 503, 529]) {
  test(`a storm of ${status} fails no line, however long it lasts`, TIMEOUT, async () => {
    await using trouble = await startTrouble({ max_in_flight: 4 });
    const { upstream, bora } = trouble;
    upstream.reply = firstThenWell(
      ...Array.from({ length: 40 }, () => json(status, { error: { message: 'slow down' } })),
    );
    const id = await bora.ask(QUESTIONS);
    await bora.received(upstream, 30);
    const waiting = await bora.until(id, (job) => waitingOf(job) !== '');
    assert.match(waitingOf(waiting), /has too much to do; next try in \d+ s\.$/);
    assertAllSucceeded(await bora.ended(id));
    assert.equal(upstream.requests.length, 46);
  });
}

test('Retry-After is obeyed to the second', TIMEOUT, async () => {
  await using trouble = await startTrouble({ max_in_flight: 1 });
  const { upstream, bora } = trouble;
  const seen: number[] = [];
  const refusal = json(429, {}, { 'retry-after': '20' });
  const reply = firstThenWell(refusal, refusal);
  upstream.reply = (request) => {
    seen.push(bora.clock.elapsed());
    reply(request);
  };
  assertAllSucceeded(await bora.ended(await bora.ask(QUESTIONS)));
  const [first, second, third] = seen;
  assert.ok(second - first >= 20_000 && second - first < 22_000, `asked again after ${second - first} ms`);
  assert.ok(third - second >= 20_000 && third - second < 22_000, `asked again after ${third - second} ms`);
});

const ALWAYS: readonly { what: string; reply: Reply; status: number; body: RegExp; error: string }[] = [
  {
    what: '500',
    reply: json(500, { error: { message: 'CUDA error', code: 'cuda' } }),
    status: 500,
    body: /^\{"error":\{"message":"CUDA error","code":"cuda"\}\}$/,
    error: 'HTTP Error, status code: 500',
  },
  {
    what: 'a page of HTML with 200',
    reply: json(200, '<html>\n<body>Bad gateway</body></html>'),
    status: 502,
    body: /"code":"invalid_answer"/,
    error: 'The upstream answered with success, but not with one JSON object in UTF-8.',
  },
  {
    what: 'an empty body with 200',
    reply: json(200, ''),
    status: 502,
    body: /The body was empty\..*"code":"invalid_answer"/,
    error: 'The upstream answered with success, but not with one JSON object in UTF-8.',
  },
  {
    what: 'half of a JSON value',
    reply: json(200, '{"choices":[{"mess'),
    status: 502,
    body: /"code":"invalid_answer"/,
    error: 'The upstream answered with success, but not with one JSON object in UTF-8.',
  },
  ...['null', '"text"', '[1]', `["${'x'.repeat(300_000)}"]`].map((text) => ({
    what: `${text.slice(0, 6)} with 200`,
    reply: json(200, text),
    status: 502,
    body: /"code":"invalid_answer"/,
    error: 'The upstream answered with success, but not with one JSON object in UTF-8.',
  })),
  {
    what: 'bytes that are no UTF-8',
    reply: json(200, Buffer.from([0x22, 0xff, 0xfe, 0x22])),
    status: 502,
    body: /"code":"invalid_answer"/,
    error: 'The upstream answered with success, but not with one JSON object in UTF-8.',
  },
  {
    what: 'a reset before the first byte',
    reply: ({ reset }) => reset(),
    status: 502,
    body: /"code":"upstream_reset"/,
    error: 'The upstream broke the connection before it answered.',
  },
  {
    what: 'a reset in the middle of the answer',
    reply: ({ response, reset }) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"choices":', reset);
    },
    status: 502,
    body: /"code":"upstream_reset"/,
    error: 'The upstream broke the connection in the middle of its answer.',
  },
  {
    what: 'bytes that are no HTTP',
    reply: ({ response }) => void response.socket!.end('\u0000\u0001 SSH-2.0 \r\n\r\n'),
    status: 502,
    body: /"code":"upstream_reset"/,
    error: 'The upstream broke the connection in the middle of its answer.',
  },
  {
    what: '403',
    reply: json(403, { error: { message: 'this prompt is not allowed' } }),
    status: 403,
    body: /this prompt is not allowed/,
    error: 'HTTP Error, status code: 403',
  },
];

for (const { what, reply, status, body, error } of ALWAYS) {
  test(`a line that always gets ${what} fails alone, and succeeds if it was but once`, TIMEOUT, async () => {
    await using trouble = await startTrouble({ max_in_flight: 2 });
    const { upstream, bora } = trouble;
    upstream.reply = (request) => (questionOf(request) === 'c' ? reply : answerWell)(request);
    const id = await bora.ask(QUESTIONS);
    const job = await bora.ended(id);
    assert.deepEqual(
      [job.status, job.succeeded_requests, job.failed_requests, job.errors],
      ['SUCCESS', 5, 1, [{ message: error, count: 1 }]],
    );
    const line = (await bora.results(job)).get('c');
    assert.equal(line?.response?.status_code, status);
    assert.match(errorOf(line), body);

    upstream.reply = firstThenWell(reply);
    assertAllSucceeded(await bora.ended(await bora.ask(QUESTIONS)));
  });
}

test(
  'an answer that never comes is given up at the time limit of its upstream and asked for again',
  TIMEOUT,
  async () => {
    await using trouble = await startTrouble({ timeout_seconds: 30 });
    const { upstream, bora } = trouble;
    upstream.reply = firstThenWell(hold);
    assertAllSucceeded(await bora.ended(await bora.ask(QUESTIONS)));
    assert.equal(upstream.requests.length, 7);

    upstream.reply = (request) => (questionOf(request) === 'x' ? hold : answerWell)(request);
    const job = await bora.ended(await bora.ask(['x', 'y']));
    assert.deepEqual(job.errors, [
      { message: 'The upstream did not answer within the time for one attempt.', count: 1 },
    ]);
    assert.equal((await bora.results(job)).get('x')?.response?.status_code, 504);
  },
);

test(
  'a pretty-printed answer becomes one line of the same bytes but for its line breaks',
  TIMEOUT,
  async () => {
    await using trouble = await startTrouble();
    const { upstream, bora } = trouble;
    const pretty = '{\r\n  "n": 1.50,\n  "n": 12345678901234567890,\n  "text": "two\\nlines \\u00e9"\n}\n';
    upstream.reply = json(200, pretty);
    const job = await bora.ended(await bora.ask(['a']));
    assertAllSucceeded(job, 1);
    const content = await (await fetch(`${bora.url}/v1/files/${job.output_file}/content`)).text();
    assert.deepEqual(content.match(/\n/g)?.length, 1);
    assert.ok(content.includes(`"body":${pretty.replace(/[\r\n]/g, ' ').trim()}`), content);
  },
);

test('answers of 5 MB come out whole, among small ones and in order', TIMEOUT, async () => {
  await using trouble = await startTrouble();
  const { upstream, bora } = trouble;
  const large = { text: 'ä"\\'.repeat(1_250_000) };
  upstream.reply = (request) => ('bd'.includes(questionOf(request)) ? json(200, large) : answerWell)(request);
  const job = await bora.ended(await bora.ask(QUESTIONS));
  assertAllSucceeded(job);
  const results = await bora.results(job);
  assert.deepEqual([...results.keys()], QUESTIONS);
  assert.deepEqual(results.get('b')?.response?.body, large);
  assert.deepEqual(results.get('d')?.response?.body, large);
});

test('an answer over the configured maximum fails its line at once', TIMEOUT, async () => {
  await using trouble = await startTrouble({}, { BORA_MAX_ANSWER_BYTES: '300000' });
  const { upstream, bora } = trouble;
  const large = { text: 'x'.repeat(300_000) };
  upstream.reply = (request) => (questionOf(request) === 'b' ? json(200, large) : answerWell)(request);
  const job = await bora.ended(await bora.ask(QUESTIONS));
  assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['SUCCESS', 5, 1]);
  const line = (await bora.results(job)).get('b');
  assert.equal(line?.response?.status_code, 502);
  assert.match(errorOf(line), /BORA_MAX_ANSWER_BYTES.*"code":"answer_too_large"/);
  assert.equal(upstream.requests.length, 6);
});

for (const refused of ['ab', 'ac', 'abcd']) {
  test(
    `lines ${refused} that are refused for what they ask fail, and keep none of the others waiting`,
    TIMEOUT,
    async () => {
      await using trouble = await startTrouble({ max_in_flight: 2 });
      const { upstream, bora } = trouble;
      const refusal = json(403, { error: { message: 'this prompt is not allowed' } });
      upstream.reply = (request) => (refused.includes(questionOf(request)) ? refusal : answerWell)(request);
      const job = await bora.ended(await bora.ask(QUESTIONS));
      assert.deepEqual(
        [job.status, job.succeeded_requests, job.failed_requests],
        ['SUCCESS', 6 - refused.length, refused.length],
      );
      const failed = [...(await bora.results(job))].filter(([, line]) => line.response?.status_code === 403);
      assert.equal(failed.map(([question]) => question).join(''), refused);
    },
  );
}

for (const refused of ['ab', 'ef', 'abcdef']) {
  test(
    `lines ${refused} that are refused for what they ask fail with no other to compare them with`,
    TIMEOUT,
    async () => {
      await using trouble = await startTrouble({ max_in_flight: 2 });
      const { upstream, bora } = trouble;
      const refusal = json(403, { error: { message: 'this prompt is not allowed' } });
      upstream.reply = (request) => (refused.includes(questionOf(request)) ? refusal : answerWell)(request);
      const job = await bora.ended(await bora.ask(refused === 'ab' ? ['a', 'b'] : QUESTIONS));
      assert.deepEqual([job.status, job.failed_requests], ['SUCCESS', refused.length]);
      const own = upstream.requests.filter((request) => questionOf(request) === 'Hello');
      assert.ok(own.length <= 3, `${own.length} questions of Bora's own`);
    },
  );
}

test('lines that are refused alike, as is any question, wait and say so', TIMEOUT, async () => {
  await using trouble = await startTrouble({ max_in_flight: 2 });
  const { upstream, bora } = trouble;
  upstream.reply = json(403, { error: { message: 'no access to this model' } });
  const id = await bora.ask(['a', 'b']);
  await bora.pass(3_600_000);
  const waiting = await bora.client.jobs.get(id);
  assert.match(waitingOf(waiting), /HTTP 403: no access to this model, for model m, since/);
  assert.equal(waiting.failed_requests, 0);
  assert.ok(upstream.requests.length <= 64, 'nothing but a question a minute');
  upstream.reply = answerWell;
  assertAllSucceeded(await bora.ended(id), 2);
});

test('a permission that is lost in the middle costs no line', TIMEOUT, async () => {
  await using trouble = await startTrouble({ max_in_flight: 2 });
  const { upstream, bora } = trouble;
  const refusal = json(403, { error: { message: 'no access to this model' } });
  upstream.reply = (request) => (upstream.requests.length > 3 ? refusal : answerWell)(request);
  const id = await bora.ask(QUESTIONS);
  await bora.until(id, (job) => job.succeeded_requests === 3 && waitingOf(job).includes('no access'));
  await bora.pass(3_600_000);
  assert.equal((await bora.client.jobs.get(id)).failed_requests, 0);
  upstream.reply = answerWell;
  assertAllSucceeded(await bora.ended(id));
});

const REFUSALS: readonly { what: string; reply: Reply; why: RegExp }[] = [
  {
    what: 'a wrong key',
    reply: json(401, { error: { message: 'Invalid API key' } }),
    why: /answers HTTP 401: Invalid API key since/,
  },
  {
    what: 'no credit',
    reply: json(402, { detail: 'You do not have access to this service' }),
    why: /answers HTTP 402: You do not have access to this service since/,
  },
  {
    what: 'a used-up quota',
    reply: json(429, { error: { message: 'You exceeded your quota', code: 'insufficient_quota' } }),
    why: /says that its quota is used up \(HTTP 429: You exceeded your quota\), for model m, since/,
  },
];

for (const { what, reply, why } of REFUSALS) {
  test(`${what} pauses the upstream, the job says so, and goes on when it is mended`, TIMEOUT, async () => {
    await using trouble = await startTrouble({ max_in_flight: 2 });
    const { upstream, bora } = trouble;
    const listing = upstream.listing;
    upstream.listing = reply;
    upstream.reply = reply;
    const id = await bora.ask(QUESTIONS);
    const waiting = await bora.until(id, (job) => why.test(waitingOf(job)));
    assert.equal(waiting.failed_requests, 0);
    const asked = upstream.requests.length;
    await bora.clock.advance(30_000);
    assert.equal(upstream.requests.length, asked, 'nothing is sent to a paused upstream');
    const reasons = (await bora.client.jobs.get(id)).bora!.waiting!;
    assert.equal(reasons.length, 1, reasons.join('\n'));
    assert.match(reasons[0], /since 3\d s; next look in \d+ s, or resume it by hand\.$/);

    upstream.listing = listing;
    upstream.reply = answerWell;
    assertAllSucceeded(await bora.ended(id));
  });
}

test('a model that is unloaded in the middle is waited for', TIMEOUT, async () => {
  await using trouble = await startTrouble({ max_in_flight: 1 });
  const { upstream, bora } = trouble;
  const listing = upstream.listing;
  upstream.reply = (request) => {
    if (upstream.requests.length <= 2) return answerWell(request);
    upstream.listing = json(200, { object: 'list', data: [{ id: 'other' }] });
    json(404, { object: 'error', message: 'The model `m` does not exist.', code: 404 })(request);
  };
  const id = await bora.ask(QUESTIONS);
  const waiting = await bora.until(id, (job) => waitingOf(job) !== '' && job.succeeded_requests === 2);
  assert.match(waitingOf(waiting), /No upstream serves the model m; they serve other\./);
  assert.deepEqual([waiting.status, waiting.failed_requests], ['RUNNING', 0]);

  upstream.reply = answerWell;
  upstream.listing = listing;
  assertAllSucceeded(await bora.ended(id));
});
