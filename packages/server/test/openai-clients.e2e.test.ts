import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import type { OpenAiErrorBody } from '@bora/protocol/openai-errors';
import type { OpenAiFile } from '@bora/protocol/openai-files';
import type { OpenAiResultLine } from '@bora/protocol/openai-lines';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import type { ScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';

/** The calls of a client as its source makes them, and how it reads what they answer. */
interface Client {
  readonly name: string;
  /** Its base URL behind the address of Bora. */
  readonly base: string;
  /** Behind each path. */
  readonly query?: string;
  /** As it joins the parts of a path; default: by one slash. */
  readonly path?: (path: string) => string;
  readonly headers: Readonly<Record<string, string>>;
  /** Part by part, as it writes them. */
  readonly form: readonly ('purpose' | 'file' | readonly [name: string, value: string])[];
  readonly filename: string;
  readonly endpoint: string;
  /** The `url` of its lines; default: the endpoint. */
  readonly url?: string;
  /** Members of its create call beside the three that all have. */
  readonly create?: object;
  readonly pollsFile?: true;
  readonly read: (output: readonly OpenAiResultLine[], errors: readonly OpenAiResultLine[]) => Outcomes;
}

/** By `custom_id`: the text of the answer, or why there is none; of what the client looks at. */
type Outcomes = Readonly<Record<string, string>>;

const CHAT = '/v1/chat/completions';
const PYTHON = {
  accept: 'application/json',
  authorization: 'Bearer any',
  'user-agent': 'OpenAI/Python 2.8.0',
  'x-stainless-lang': 'python',
  'x-stainless-retry-count': '0',
  'x-stainless-read-timeout': '600',
};

/** Matches lines by id in both files, as Vercel's and LiteLLM's code do: `error` first, then the status. */
function bothFiles(output: readonly OpenAiResultLine[], errors: readonly OpenAiResultLine[]): Outcomes {
  return Object.fromEntries(
    [...output, ...errors].map(({ custom_id: id, response, error }) => {
      if (error !== null) return [id, `${error.code}: ${error.message}`];
      assert.ok(response !== null, 'a line has a response or an error');
      if (response.status_code >= 200 && response.status_code < 300) return [id, textOf(response.body)];
      const { message, type, code } = (response.body as unknown as OpenAiErrorBody).error;
      return [id, `${response.status_code} ${type} ${code}: ${message}`];
    }),
  );
}

/** What curator, instructor and ellmer do, which leave the error file alone. */
function outputAlone(output: readonly OpenAiResultLine[]): Outcomes {
  return Object.fromEntries(
    output.map(({ custom_id: id, response }) => {
      assert.equal(response?.status_code, 200);
      return [id, textOf(response.body)];
    }),
  );
}

function textOf(body: Readonly<Record<string, unknown>>): string {
  const { choices, output } = body as {
    choices?: { message: { content: string } }[];
    output?: { content: { text: string }[] }[];
  };
  return choices?.[0].message.content ?? output![0].content[0].text;
}

const CLIENTS: readonly Client[] = [
  {
    name: 'Vercel AI SDK, startTextBatch',
    base: '/v1',
    headers: { authorization: 'Bearer any', 'user-agent': 'ai/6.0.0 ai-sdk/openai/3.0.0' },
    form: ['file', 'purpose', ['expires_after[anchor]', 'created_at'], ['expires_after[seconds]', '172800']],
    filename: 'batch.jsonl',
    endpoint: '/v1/responses',
    read: bothFiles,
  },
  {
    name: 'curator, with bytes for a file',
    base: '/v1',
    headers: PYTHON,
    form: ['purpose', 'file'],
    filename: 'upload',
    endpoint: CHAT,
    create: { metadata: { request_file: '/tmp/requests_0.jsonl' } },
    pollsFile: true,
    read: outputAlone,
  },
  {
    name: 'instructor, over the Python SDK',
    base: '/v1',
    headers: PYTHON,
    form: ['purpose', 'file'],
    filename: 'batch_requests.jsonl',
    endpoint: CHAT,
    create: { metadata: { description: 'Instructor batch job' } },
    read: outputAlone,
  },
  {
    name: 'LiteLLM, over the Python SDK, with headers of its own',
    base: '/v1',
    headers: { ...PYTHON, 'x-litellm-version': '1.80.0', 'x-litellm-call-id': 'c' },
    form: ['purpose', 'file'],
    filename: 'modified_file.jsonl',
    endpoint: CHAT,
    create: { metadata: null, output_expires_after: null },
    read: bothFiles,
  },
  {
    name: 'ellmer, which says nothing of itself',
    base: '/v1',
    path: (path) => path.replaceAll(/(?<=.)\//g, '//'),
    headers: { authorization: 'Bearer any', 'user-agent': 'r-ellmer/0.4.0', accept: '*/*' },
    form: ['purpose', 'file'],
    filename: 'file1a2b3c4d5e6f',
    endpoint: CHAT,
    read: outputAlone,
  },
  {
    name: "Azure's clients of a dated version",
    base: '/openai',
    query: 'api-version=2024-10-21',
    headers: { 'api-key': 'any', 'user-agent': 'AzureOpenAI/Python 2.8.0', 'x-stainless-lang': 'python' },
    form: ['purpose', 'file'],
    filename: 'test.jsonl',
    endpoint: '/chat/completions',
    url: '/chat/completions',
    read: bothFiles,
  },
  {
    name: "Azure's v1, called with a token by curl",
    base: '/openai/v1',
    headers: { authorization: 'Bearer eyJ', 'user-agent': 'curl/8.5.0', accept: '*/*' },
    form: ['purpose', 'file', ['expires_after.seconds', '1209600'], ['expires_after.anchor', 'created_at']],
    filename: 'batch.jsonl',
    endpoint: '/chat/completions',
    url: '/chat/completions',
    read: bothFiles,
  },
  {
    name: 'curl, as the documentation writes it',
    base: '/v1',
    headers: { authorization: 'Bearer any', 'user-agent': 'curl/8.5.0', accept: '*/*' },
    form: ['purpose', 'file'],
    filename: 'batchinput.jsonl',
    endpoint: CHAT,
    read: bothFiles,
  },
];

let upstream: ScriptedUpstream;
let whole: WholeBora;
const held = Promise.withResolvers<void>();
before(async () => {
  upstream = await startScriptedUpstream(['small'], async ({ endpoint, body }) => {
    const question = (body['input'] ?? (body['messages'] as { content: string }[])[0].content) as string;
    if (question === 'hold') await held.promise;
    if (question === 'bad') return { status: 400, body: { error: 'no' } };
    if (endpoint === CHAT) return chatAnswer('small', `to ${question}`);
    const content = [{ type: 'output_text', text: `to ${question}`, annotations: [] }];
    const usage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 };
    return { body: { id: 'resp', object: 'response', output: [{ type: 'message', content }], usage } };
  });
  whole = await startWholeBora({ upstreams: [upstream.url], overrides: { dispatch: { stopGraceMs: 20 } } });
});
after(async () => {
  held.resolve();
  await whole?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

describe('from upload to results, with its own calls,', () => {
  for (const client of CLIENTS) {
    test(client.name, { timeout: 60_000 }, async () => {
      const file = await upload(client, ['one', 'bad', 'two']);
      assert.deepEqual([file.filename, file.purpose, file.status], [client.filename, 'batch', 'processed']);
      const expires = client.form.flatMap((part) =>
        part[0].endsWith('seconds') || part[0].endsWith('seconds]') ? [Number(part[1])] : [],
      );
      assert.equal(file.expires_at, expires.length === 0 ? null : file.created_at + expires[0]);
      if (client.pollsFile) {
        assert.equal((await send<OpenAiFile>(client, 'GET', `/files/${file.id}`)).status, 'processed');
      }
      const batch = await ended(client, await create(client, file.id));
      assert.deepEqual([batch.status, batch.errors], ['completed', null]);
      assert.deepEqual(batch.request_counts, { total: 3, completed: 2, failed: 1 });
      const { input_tokens, output_tokens, total_tokens } = batch.usage;
      assert.deepEqual([input_tokens, output_tokens, total_tokens], [6, 4, 10]);
      const output = await linesOf(client, batch.output_file_id);
      const errors = await linesOf(client, batch.error_file_id);
      const good = { 'chat-0': 'to one', 'chat-2': 'to two' };
      const bad = { 'chat-1': '400 invalid_request_error null: no' };
      const wanted = client.read === outputAlone ? good : { ...good, ...bad };
      assert.deepEqual(client.read(output, errors), wanted);

      const list = await send<{ data: OpenAiBatch[] }>(client, 'GET', '/batches?limit=10');
      assert.equal(list.data[0].id, batch.id);
      for (const id of [file.id, batch.output_file_id, batch.error_file_id]) {
        const gone = await send<{ deleted: boolean }>(client, 'DELETE', `/files/${id}`);
        assert.equal(gone.deleted, true);
      }
    });

    test(`${client.name}: a cancelled batch keeps what was answered`, { timeout: 60_000 }, async () => {
      const id = await create(client, (await upload(client, ['one', 'hold'])).id);
      await untilAnswered(client, id);
      const asked = await send<OpenAiBatch>(client, 'POST', `/batches/${id}/cancel`);
      assert.ok(['cancelling', 'cancelled'].includes(asked.status));
      const batch = await ended(client, id);
      assert.deepEqual(
        [batch.status, batch.request_counts],
        ['cancelled', { total: 2, completed: 1, failed: 0 }],
      );
      const [output, errors] = [batch.output_file_id, batch.error_file_id];
      assert.deepEqual(bothFiles(await linesOf(client, output), await linesOf(client, errors)), {
        'chat-0': 'to one',
        'chat-1': 'batch_cancelled: This request was not executed because the batch was cancelled.',
      });
    });

    test(`${client.name}: what is wrong is found where it is looked for`, { timeout: 60_000 }, async () => {
      for (const [method, path, body] of [
        ['GET', '/batches/batch_none'],
        ['GET', '/files/file-none'],
        ['GET', '/files/00000000-0000-4000-8000-000000000000/content'],
        ['POST', '/batches', '{"input_file_id":"file-none"}'],
        ['POST', '/chat/completions', '{"model":"nobody","messages":[]}'],
      ] as const) {
        const response = await call(client, method, path, body);
        assert.ok(response.status >= 400 && response.status < 500, `${method} ${path}: ${response.status}`);
        const { error } = (await response.json()) as OpenAiErrorBody;
        assert.ok(error.message.length > 0);
        assert.equal(error.type, 'invalid_request_error');
      }
    });
  }
});

test('a batch that fails tells Vercel and curator why in its first error', async () => {
  const [vercel] = CLIENTS;
  const file = await upload(vercel, ['one', 'one'], () => 'same');
  const batch = await ended(vercel, await create(vercel, file.id));
  assert.equal(batch.status, 'failed');
  assert.equal(batch.errors?.data[0].code, 'duplicate_custom_id');
  assert.match(batch.errors.data[0].message, /^The custom_id 'same' /);
});

function call(client: Client, method: string, path: string, body?: string, type?: string): Promise<Response> {
  const query = client.query === undefined ? '' : `${path.includes('?') ? '&' : '?'}${client.query}`;
  const headers = {
    ...client.headers,
    ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
  };
  const joined = client.path?.(path) ?? path;
  return fetch(`${whole.url}${client.base}${joined}${query}`, {
    method,
    headers,
    body: body ?? null,
  });
}

async function send<Answer>(client: Client, method: string, path: string, body?: string): Promise<Answer> {
  const response = await call(client, method, path, body);
  const text = await response.text();
  assert.equal(response.status, 200, `${method} ${path}: ${text}`);
  return JSON.parse(text) as Answer;
}

async function upload(
  client: Client,
  questions: readonly string[],
  idOf = (at: number) => `chat-${at}`,
): Promise<OpenAiFile> {
  const { endpoint, url = endpoint } = client;
  const lines = questions.map((question, at) => {
    const asked =
      url === '/v1/responses' ? { input: question } : { messages: [{ role: 'user', content: question }] };
    return `${JSON.stringify({ custom_id: idOf(at), method: 'POST', url, body: { model: 'small', ...asked } })}\n`;
  });
  const boundary = '------------------------d74496d66958873e';
  const parts = client.form.map((part) => {
    if (part === 'purpose') return 'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch';
    if (part !== 'file') return `Content-Disposition: form-data; name="${part[0]}"\r\n\r\n${part[1]}`;
    const head = `Content-Disposition: form-data; name="file"; filename="${client.filename}"`;
    return `${head}\r\nContent-Type: application/octet-stream\r\n\r\n${lines.join('')}`;
  });
  const form = `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`;
  const response = await call(client, 'POST', '/files', form, `multipart/form-data; boundary=${boundary}`);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as OpenAiFile;
}

async function create(client: Client, input_file_id: string): Promise<string> {
  const { endpoint } = client;
  const asked = { input_file_id, endpoint, completion_window: '24h', ...client.create };
  return (await send<OpenAiBatch>(client, 'POST', '/batches', JSON.stringify(asked))).id;
}

async function look(client: Client, id: string): Promise<OpenAiBatch> {
  return send(client, 'GET', `/batches/${encodeURIComponent(id)}`);
}

async function ended(client: Client, id: string): Promise<OpenAiBatch> {
  for (;;) {
    const batch = await look(client, id);
    if (['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) return batch;
    await sleep(20);
  }
}

async function untilAnswered(client: Client, id: string): Promise<void> {
  while ((await look(client, id)).request_counts.completed === 0) await sleep(20);
}

async function linesOf(client: Client, fileId: string | null): Promise<OpenAiResultLine[]> {
  if (fileId === null) return [];
  const response = await call(client, 'GET', `/files/${fileId}/content`);
  assert.equal(response.status, 200);
  const text = await response.text();
  assert.ok(text.endsWith('\n'));
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OpenAiResultLine);
}
