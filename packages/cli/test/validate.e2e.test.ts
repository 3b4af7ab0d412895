import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ErrorBody } from '@bora/protocol/mistral-errors';
import { BoraError } from '@bora/client/bora-error';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { bora } from './bora-process.ts';
import type { Finished } from './bora-process.ts';

const CHAT = '/v1/chat/completions';
const GOOD = '{"body":{"model":"m","messages":[]}}';

interface Report {
  readonly ok: boolean;
  readonly requests: number;
  readonly error_count: number;
  readonly errors: readonly { line_number: number | null; code: string; message: string }[];
  readonly models: Readonly<Record<string, number>>;
}

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bora-validate-'));
});
after(() => rm(folder, { recursive: true }));

async function validate(content: string | Uint8Array, ...args: string[]): Promise<Finished> {
  await writeFile(join(folder, 'in.jsonl'), content);
  return bora(
    ['validate', 'in.jsonl', ...(args.includes('--endpoint') ? [] : ['--endpoint', CHAT]), ...args],
    { cwd: folder },
  );
}

async function report(content: string | Uint8Array, ...args: string[]): Promise<Report> {
  return JSON.parse((await validate(content, ...args, '--json')).stdout) as Report;
}

test('the bad lines of a file are those for which a server refuses it, in its words', async () => {
  await using whole = await startWholeBora();
  const many = Array.from({ length: 120 }, (_, index) => (index % 2 === 0 ? GOOD : `{"body":${index}}`)).join(
    '\n\n',
  );
  const files = [
    `${GOOD}\nnot json\n\n{"body":[]}\n{"custom_id":1,"body":{}}\n${GOOD}`,
    many,
    Buffer.from(`${GOOD}\n{"body":{"model":"m","messages":["\xff"]}}\n`, 'latin1'),
    '',
  ];
  for (const content of files) {
    const bytes = new Uint8Array(Buffer.from(content as string));
    const refusal = await whole.client.files.upload(bytes).then(
      () => assert.fail('it was taken'),
      (error: unknown) => error as BoraError,
    );
    assert.ok(refusal instanceof BoraError);
    const { errors = [], description } = refusal.body as ErrorBody;
    const found = await report(bytes);
    const ofLines = found.errors.filter(({ code }) => code !== 'missing_member');
    assert.deepEqual(
      ofLines.map(({ line_number, message }) => ({ message, line_number: line_number ?? 1 })),
      errors,
    );
    assert.match(String(description), new RegExp(`^Found ${ofLines.length} errors? `));
  }
});

test('what create would refuse is told with every line, beside what upload would', async () => {
  const content = [GOOD, '{"body":{"input":"x"}}', 'no', '', '{"body":{"messages":null,"model":"n"}}'].join(
    '\n',
  );
  const found = await report(content);
  assert.deepEqual(
    found.errors.map(({ line_number, code }) => [line_number, code]),
    [
      [2, 'missing_member'],
      [2, 'no_model'],
      [3, 'bad_batch_file'],
      [5, 'missing_member'],
    ],
  );
  assert.deepEqual(
    [found.ok, found.requests, found.error_count, found.models],
    [false, 4, 4, { m: 1, n: 1 }],
  );

  const text = await validate(content, '--model', 'm');
  assert.equal(text.code, 2);
  assert.match(
    text.stdout,
    /^in\.jsonl:2: The body has no "messages", which \/v1\/chat\/completions needs\.$/m,
  );
  assert.match(text.stdout, /^in\.jsonl: 3 errors in 4 requests/m);
});

test('of many errors some are named and all are counted', async () => {
  const content = 'no\n'.repeat(1_000);
  const found = await report(content);
  assert.deepEqual([found.error_count, found.errors.length], [1_000, 100]);
  assert.match((await validate(content)).stdout, /… and 980 more/);
});

test('a sound file passes; limits of the server count', async () => {
  const sound = await validate(`${GOOD}\n${GOOD}\n`);
  assert.equal(sound.code, 0, sound.stdout);
  assert.match(sound.stdout, /^in\.jsonl: well formed\. 2 requests, 74 B, models in the lines: m\.$/m);
  const limited = await report(`${GOOD}\n${GOOD}\n`, '--max-file-lines', '1');
  assert.deepEqual(
    limited.errors.map(({ code }) => code),
    ['file_too_large'],
  );
  assert.equal((await bora(['validate', 'none.jsonl', '--endpoint', CHAT], { cwd: folder })).code, 2);
});
