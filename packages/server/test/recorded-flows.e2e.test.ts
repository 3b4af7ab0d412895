import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DeletedFile, MistralFile } from '@bora/protocol/mistral-files';
import type { BatchJob, BatchJobList, DeletedBatchJob } from '@bora/protocol/mistral-jobs';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import type { ScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';

/** The calls of a client as it makes them: recorded from the client (Python), or read from its source. */
interface RecordedClient {
  readonly name: string;
  /** What stands before `/v1` in its paths: `/v1` for an SDK whose address ends in it though the SDK adds its own. */
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly jsonHeaders: Readonly<Record<string, string>>;
  readonly form: (lines: string) => { readonly type: string; readonly body: string };
  readonly overFile: (fileId: string) => string;
  /** Null: the client has no inline requests. */
  readonly inline: string | null;
  /** Queries of its lists, all of which hold the job over the file; of the client's job alone where it can ask for it. */
  readonly lists: readonly string[];
  readonly accept: string;
  readonly deletesJobs: boolean;
}

const MESSAGES = '[{"role":"user","content":"Hello"}]';
const CHAT = '/v1/chat/completions';

function part(head: string, body: string): string {
  return `${head}\r\n\r\n${body}\r\n`;
}

function form(boundary: string, parts: readonly string[]): string {
  return `${parts.map((one) => `--${boundary}\r\n${one}`).join('')}--${boundary}--\r\n`;
}

/** As httpx writes it: text parts first, the file as `application/octet-stream`. */
function pythonForm(fields: readonly [string, string][], lines: string): { type: string; body: string } {
  const boundary = 'fcc80a41b802f0cd87d74968ba61a231';
  const texts = fields.map(([name, text]) => part(`Content-Disposition: form-data; name="${name}"`, text));
  const file = part(
    'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\nContent-Type: application/octet-stream',
    lines,
  );
  return { type: `multipart/form-data; boundary=${boundary}`, body: form(boundary, [...texts, file]) };
}

const PYTHON = {
  headers: {
    'Accept-Encoding': 'gzip, deflate',
    Accept: 'application/json',
    'User-Agent': 'mistral-client-python/2.5.1',
    Authorization: 'Bearer any',
  },
  jsonHeaders: { 'Content-Type': 'application/json' },
  overFile: (fileId: string) =>
    `{"endpoint":"${CHAT}","input_files":["${fileId}"],"model":"small","metadata":{"job type":"a b"},"timeout_hours":24}`,
  inline: `{"endpoint":"${CHAT}","input_files":null,"requests":[{"body":{"messages":${MESSAGES}},"custom_id":null}],"model":"small","agent_id":null,"metadata":null,"timeout_hours":24}`,
  accept: 'application/octet-stream',
} as const;

const CLIENTS: readonly RecordedClient[] = [
  ...['', '/v1'].map((prefix) => ({
    ...PYTHON,
    name: `Python SDK 2.5 at an address that ends in ${JSON.stringify(prefix)}`,
    prefix,
    form: (lines: string) =>
      pythonForm(
        [
          ['visibility', 'workspace'],
          ['purpose', 'batch'],
        ],
        lines,
      ),
    lists: [
      'page=0&page_size=100&created_by_me=false&order_by=-created',
      'page=0&page_size=5&model=small&job+type=a+b&created_after=2024-05-01T10%3A00%3A00&created_by_me=true&status=RUNNING&status=SUCCESS&order_by=-created',
    ],
    deletesJobs: true,
  })),
  {
    ...PYTHON,
    name: 'Python SDK 1.10, which has no visibility, order or delete',
    prefix: '',
    form: (lines) => pythonForm([['purpose', 'batch']], lines),
    lists: [
      'page=0&page_size=100&created_by_me=false',
      'page=0&page_size=100&job+type=a+b&created_after=2024-05-01T10%3A00%3A00%2B02%3A00&created_by_me=false&status=SUCCESS',
    ],
    deletesJobs: false,
  },
  {
    name: 'C# SDK',
    prefix: '',
    headers: { Authorization: 'Bearer any' },
    jsonHeaders: { 'Content-Type': 'application/json; charset=utf-8' },
    // .NET quotes the boundary but not the names, names the file twice, and gives text parts a type.
    form: (lines) => {
      const boundary = '0f9c2a5e-3a51-4c1d-9a3a-6f0c3a1b7d11';
      const file = part(
        "Content-Disposition: form-data; name=file; filename=in.jsonl; filename*=utf-8''in.jsonl",
        lines,
      );
      const purpose = part(
        'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=purpose',
        'batch',
      );
      return { type: `multipart/form-data; boundary="${boundary}"`, body: form(boundary, [file, purpose]) };
    },
    overFile: (fileId) =>
      `{"endpoint":"${CHAT}","input_files":["${fileId}"],"model":"small","timeout_hours":24}`,
    inline: `{"endpoint":"${CHAT}","requests":[{"custom_id":"req-1","body":{"messages":${MESSAGES},"max_tokens":100}}],"model":"small","timeout_hours":24}`,
    lists: ['limit=20', 'limit=100'],
    accept: '*/*',
    deletesJobs: false,
  },
  {
    name: 'Delphi SDK',
    prefix: '',
    headers: {
      Authorization: 'Bearer any',
      'Accept-Charset': 'utf-8',
      'User-Agent': 'Embarcadero URI Client/1.0',
    },
    jsonHeaders: { 'Content-Type': 'application/json', Accept: 'application/json' },
    form: (lines) => {
      const boundary = '-------Embt-Boundary--07CB2E3F5A3C1D6B';
      const file = part(
        'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\nContent-Type: application/octet-stream',
        lines,
      );
      const purpose = part('Content-Disposition: form-data; name="purpose"', 'batch');
      return { type: `multipart/form-data; boundary=${boundary}`, body: form(boundary, [file, purpose]) };
    },
    overFile: (fileId) =>
      `{"input_files":["${fileId}"],"model":"small","endpoint":"${CHAT}","metadata":{"job_type":"texting"}}`,
    inline: null,
    lists: [
      'page_size=100',
      'page=0&page_size=100&model=small&metadata=%7B%22job_type%22%3A%22texting%22%7D&created_after=2024-05-01%2010%3A00%3A00&created_by_me=True&status=SUCCESS',
    ],
    accept: '*/*',
    deletesJobs: false,
  },
  {
    name: 'curl, as the documentation writes it',
    prefix: '',
    headers: { Authorization: 'Bearer any', 'User-Agent': 'curl/8.5.0', Accept: '*/*' },
    jsonHeaders: { 'Content-Type': 'application/json' },
    form: (lines) => {
      const boundary = '------------------------d74496d66958873e';
      const purpose = part('Content-Disposition: form-data; name="purpose"', 'batch');
      const file = part(
        'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\nContent-Type: application/octet-stream',
        lines,
      );
      return { type: `multipart/form-data; boundary=${boundary}`, body: form(boundary, [purpose, file]) };
    },
    overFile: (fileId) =>
      `{ "model": "small", "input_files": ["${fileId}"], "endpoint": "${CHAT}", "metadata": { "job_type": "testing" } }`,
    inline: `{ "model": "small", "endpoint": "${CHAT}", "requests": [ { "custom_id": "0", "body": { "messages": ${MESSAGES} } } ] }`,
    lists: ['', 'status=SUCCESS&job_type=testing'],
    accept: '*/*',
    deletesJobs: true,
  },
];

let upstream: ScriptedUpstream;
let whole: WholeBora;
/** Requests that say `hold` are answered once it resolves. */
const held = Promise.withResolvers<void>();

before(async () => {
  upstream = await startScriptedUpstream(['small'], async ({ body }) => {
    const question = (body['messages'] as { content: string }[])[0].content;
    if (question === 'hold') await held.promise;
    return chatAnswer('small', `answer to ${question}`);
  });
  whole = await startWholeBora({ upstreams: [upstream.url] });
});
after(async () => {
  held.resolve();
  await whole?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
});

for (const client of CLIENTS) {
  test(
    `${client.name}: from upload to delete with the calls that it makes`,
    { timeout: 60_000 },
    async () => {
      async function send<Answer>(method: string, path: string, more: RequestInit = {}): Promise<Answer> {
        const headers = { ...client.headers, ...(more.headers as Record<string, string>) };
        const response = await fetch(`${whole.url}${client.prefix}${path}`, { method, ...more, headers });
        const text = await response.text();
        assert.equal(response.status, 200, `${method} ${path}: ${text}`);
        assert.match(response.headers.get('content-type') ?? '', /^application\/json\b/);
        return JSON.parse(text) as Answer;
      }
      async function upload(...questions: string[]): Promise<MistralFile> {
        const lines = questions.map(
          (content, at) =>
            `{"custom_id":"${at}","body":{"messages":[{"role":"user","content":"${content}"}]}}`,
        );
        const { type, body } = client.form(lines.join('\n'));
        return send('POST', '/v1/files', { headers: { 'Content-Type': type }, body });
      }
      function create(body: string): Promise<BatchJob> {
        return send('POST', '/v1/batch/jobs', { headers: client.jsonHeaders, body });
      }
      async function ended(jobId: string): Promise<BatchJob> {
        await whole.client.jobs.waitUntilComplete(jobId, { intervalMs: 20 });
        return send('GET', `/v1/batch/jobs/${jobId}`);
      }

      const file = await upload('one', 'two');
      assert.deepEqual(
        [file.filename, file.purpose, file.sample_type, file.num_lines, file.visibility],
        ['in.jsonl', 'batch', 'batch_request', 2, 'workspace'],
      );
      const { id } = await create(client.overFile(file.id));
      const job = await ended(id);
      assert.deepEqual([job.status, job.succeeded_requests, job.outputs], ['SUCCESS', 2, null]);
      const download = await fetch(`${whole.url}${client.prefix}/v1/files/${job.output_file}/content`, {
        headers: { ...client.headers, Accept: client.accept },
      });
      assert.equal(download.headers.get('content-type'), 'application/octet-stream');
      assert.match(
        await download.text(),
        /"custom_id":"0".*answer to one.*\n.*"custom_id":"1".*answer to two.*\n$/,
      );

      for (const query of client.lists) {
        const list = await send<BatchJobList>('GET', `/v1/batch/jobs${query === '' ? '' : `?${query}`}`);
        assert.ok(
          list.data.some((listed) => listed.id === id),
          query,
        );
        assert.ok(list.total >= list.data.length);
      }
      if (client.inline !== null) {
        const inline = await ended((await create(client.inline)).id);
        assert.deepEqual(
          [inline.status, inline.outputs?.length, inline.input_files.length],
          ['SUCCESS', 1, 1],
        );
      }

      const seen = upstream.requests.length;
      const holding = await create(client.overFile((await upload('hold')).id));
      await upstream.received(seen + 1);
      const cancelled = await send<BatchJob>('POST', `/v1/batch/jobs/${holding.id}/cancel`);
      assert.equal(cancelled.status, 'CANCELLATION_REQUESTED');

      assert.equal((await send<MistralFile>('GET', `/v1/files/${file.id}`)).id, file.id);
      const { url } = await send<{ url: string }>('GET', `/v1/files/${file.id}/url?expiry=24`);
      assert.equal((await fetch(url)).status, 200);
      if (client.deletesJobs) {
        assert.equal((await send<DeletedBatchJob>('DELETE', `/v1/batch/jobs/${id}`)).deleted, true);
      }
      assert.equal((await send<DeletedFile>('DELETE', `/v1/files/${file.id}`)).deleted, true);
    },
  );
}

test('lines with repeated, missing and null ids, with method and url, and with another model run as the job says', async () => {
  const body = `{"model":"large","messages":${MESSAGES}}`;
  const lines = [
    `{"custom_id":"a","method":"POST","url":"${CHAT}","body":${body}}`,
    `{"custom_id":"a","body":${body}}`,
    `{"custom_id":null,"body":${body}}`,
    `{"body":${body}}`,
  ];
  const file = await whole.client.files.upload(new Blob([lines.join('\r\n')]), { filename: 'in.jsonl' });
  const seen = upstream.requests.length;
  const { id } = await whole.client.jobs.create({ endpoint: CHAT, model: 'small', input_files: [file.id] });
  const job = await whole.client.jobs.waitUntilComplete(id, { intervalMs: 20 });
  assert.deepEqual([job.status, job.succeeded_requests], ['SUCCESS', 4]);
  const models = upstream.requests.slice(seen).map(({ body: sent }) => sent['model']);
  assert.deepEqual(models, ['small', 'small', 'small', 'small']);

  const text = await (await fetch(`${whole.url}/v1/files/${job.output_file}/content`)).text();
  const results = text.trimEnd().split('\n');
  assert.deepEqual(
    results.map((line) => (JSON.parse(line) as { custom_id: unknown }).custom_id),
    ['a', 'a', null, null],
  );
  for (const line of results) {
    assert.match(
      line,
      /^\{"id":"batch-[^"]+","custom_id":("a"|null),"response":\{"status_code":200,"body":\{.*\}\},"error":null\}$/,
    );
  }
});
