import type { BoraClient } from '@bora/client';
import type { OpenAiBatch, OpenAiBatchList } from '@bora/protocol/openai-batches';
import type { OpenAiFile } from '@bora/protocol/openai-files';
import type { OpenAiResultLine } from '@bora/protocol/openai-lines';
import type { CrashRun, Harm } from './crash-run.ts';
import { CHAT_MODELS, customId, sentBody } from './requests.ts';
import { runLife } from './scenario.ts';
import type { CrashReport } from './scenario.ts';

const REQUESTS = 400;
const POLL_MS = 10;
const HOUR_MS = 3_600_000;
const CHAT = '/v1/chat/completions';

/**
 * What happens to a batch of OpenAI's dialect and to no other: one that is validated and found bad, and two that are drained to a line
 * for each request, cancelled and expired.
 */
export function runOpenAiCrashScenario(harm: Harm): Promise<CrashReport> {
  return runLife(harm, REQUESTS, live);
}

async function live(run: CrashRun): Promise<void> {
  const [fails = '', isCancelled = '', expires = ''] = CHAT_MODELS;
  const failed = await until(run, await create(run, fails, [linesOf(fails), 'no JSON\n', lineOf(0, fails)]), [
    'failed',
  ]);
  const told = failed.errors?.data.map(({ line, code }) => `${line} ${code}`).join(', ');
  const wanted = `${REQUESTS + 1} invalid_json_line, ${REQUESTS + 2} duplicate_custom_id`;
  if (told !== wanted) run.violations.push(`The bad batch tells of ${told} instead of ${wanted}.`);

  await run.simulator.configure({ latencyMs: 100 });
  const cancelledId = await create(run, isCancelled, [linesOf(isCancelled)]);
  await untilAnswered(run, cancelledId);
  await run.call((client) => ask(client, `/v1/batches/${cancelledId}/cancel`, { method: 'POST' }));
  await checkLines(run, await until(run, cancelledId, ['cancelled']), 'batch_cancelled');

  const expiredId = await create(run, expires, [linesOf(expires)]);
  await untilAnswered(run, expiredId);
  await run.advanceClock(2 * HOUR_MS);
  await checkLines(run, await until(run, expiredId, ['expired']), 'batch_expired');
}

function lineOf(ordinal: number, model: string): string {
  return `{"custom_id":"${customId(ordinal)}","method":"POST","url":"${CHAT}","body":${sentBody(ordinal, model)}}\n`;
}

function linesOf(model: string): string {
  return Array.from({ length: REQUESTS }, (_, ordinal) => lineOf(ordinal, model)).join('');
}

async function create(run: CrashRun, model: string, content: string[]): Promise<string> {
  const file = await run.call((client) => {
    const body = new FormData();
    body.append('purpose', 'batch');
    body.append('file', new Blob(content), 'in.jsonl');
    const headers = { 'x-stainless-lang': 'js' };
    return ask<OpenAiFile>(client, '/v1/files', { method: 'POST', body, headers });
  });
  const { id } = await run.call(async (client) => {
    // A create whose answer was lost may have happened.
    const { data } = await ask<OpenAiBatchList>(client, '/v1/batches');
    const made = data.find(({ metadata }) => metadata?.['of'] === model);
    const batch = {
      input_file_id: file.id,
      endpoint: CHAT,
      completion_window: '1h',
      metadata: { of: model },
    };
    return made ?? ask<OpenAiBatch>(client, '/v1/batches', { method: 'POST', body: JSON.stringify(batch) });
  });
  run.modelOf.set(uuidOf(id), model);
  return id;
}

async function until(
  run: CrashRun,
  id: string,
  statuses: readonly OpenAiBatch['status'][],
  answered = 0,
): Promise<OpenAiBatch> {
  for (;;) {
    const batch = await run.call((client) => ask<OpenAiBatch>(client, `/v1/batches/${id}`));
    const { completed, failed } = batch.request_counts;
    run.saw(uuidOf(id), completed + failed);
    if (statuses.includes(batch.status) && completed + failed >= answered) return batch;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function untilAnswered(run: CrashRun, id: string): Promise<OpenAiBatch> {
  return until(run, id, ['in_progress'], 1);
}

/** Each request has one line, in input order: what was answered in the output file, and all others with this code in the error file. */
async function checkLines(run: CrashRun, batch: OpenAiBatch, code: string): Promise<void> {
  const { status, request_counts: counts } = batch;
  const output = await ordinalsOf(run, batch.output_file_id, ({ response }) => response?.status_code === 200);
  const error = await ordinalsOf(run, batch.error_file_id, (line) => line.error?.code === code);
  if (output.length !== counts.completed || counts.failed !== 0 || counts.total !== REQUESTS) {
    run.violations.push(
      `The ${status} batch counts ${JSON.stringify(counts)} and has ${output.length} answers.`,
    );
  }
  const all = [...output, ...error].toSorted((a, b) => a - b);
  if (all.length !== REQUESTS || !all.every((ordinal, place) => ordinal === place)) {
    run.violations.push(
      `The ${status} batch has ${all.length} lines, not one for each of ${REQUESTS} requests.`,
    );
  }
}

async function ordinalsOf(
  run: CrashRun,
  fileId: string | null,
  isRight: (line: OpenAiResultLine) => boolean,
): Promise<number[]> {
  if (fileId === null) return [];
  const text = await run.call(async (client) => new Response(await client.files.content(fileId)).text());
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OpenAiResultLine);
  for (const line of lines) {
    if (!isRight(line)) run.violations.push(`A line says what it should not: ${JSON.stringify(line)}`);
  }
  const ordinals = lines.map(({ custom_id: id }) => Number(id.replace(customId(0).slice(0, -1), '')));
  if (!ordinals.every((ordinal, place) => place === 0 || ordinal > (ordinals[place - 1] ?? -1))) {
    run.violations.push('Lines of a file are out of input order or doubled.');
  }
  return ordinals;
}

/** The JSON of an answer, which must be a good one. */
export async function ask<Body>(client: BoraClient, path: string, init?: RequestInit): Promise<Body> {
  const response = await fetch(`${client.baseUrl}${path}`, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${text}`);
  return JSON.parse(text) as Body;
}

/** As the database has it. */
function uuidOf(id: string): string {
  return id.replace(/^batch_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
