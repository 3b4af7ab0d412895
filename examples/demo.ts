/**
 * `npm run demo`: whole batches from file to results, in one process and about half a minute. The simulator stands in for an inference
 * server; everything else is the real thing: the embedded store, the HTTP API, the typed client.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { BoraClient } from '@bora/client';
import { textOf } from '@bora/client/answers';
import type { ChatAnswer } from '@bora/client/answers';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { readConfig } from '@bora/server/config/config';
import { startSimulator } from '@bora/simulator/simulator';
import { CliError } from '../packages/cli/src/cli-error.ts';
import { writeFileDurably } from '../packages/cli/src/durable-file.ts';
import { countText, countedText, durationText, rateText } from '../packages/cli/src/human-text.ts';
import { summaryOf } from '../packages/cli/src/job-report.ts';
import { Output } from '../packages/cli/src/output.ts';
import { startPrivateBora } from '../packages/cli/src/private-bora.ts';
import { resultBytes } from '../packages/cli/src/result-bytes.ts';
import { stopSignals } from '../packages/cli/src/stop-signals.ts';
import { renderTable } from '../packages/cli/src/table.ts';
import { watchJob } from '../packages/cli/src/watch-job.ts';
import { glanceTable, runSmallJobs, SMALL_JOBS } from './demo-endpoints.ts';

const CHAT_REQUESTS = 2_000;
const CHAT_MODEL = 'simulated-chat';
const EMBEDDING_MODEL = 'simulated-embed';
const SAMPLE_ROWS = 6;
const FOLDER = 'bora-demo';

const output = new Output(false);
using stop = stopSignals(() => output.say('\nStopping. Run it again whenever you like; it begins anew.'));
try {
  await demo(stop.signal);
} catch (error) {
  process.exitCode = error instanceof CliError ? error.exitCode : output.error(error);
}

async function demo(signal: AbortSignal): Promise<void> {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER);
  const chatFile = join(FOLDER, 'chat-2000.jsonl');
  await writeFile(chatFile, await manyRequests(join(import.meta.dirname, 'chat.jsonl'), CHAT_REQUESTS));

  await using simulator = await startSimulator({
    models: [...new Set([CHAT_MODEL, EMBEDDING_MODEL, ...SMALL_JOBS.map(({ model }) => model)])],
    // 64 at once for about 0.4 s each: slow enough to watch 2,000 requests for a quarter of a minute.
    slots: 64,
    latencyMs: { p50: 380, p99: 1_100 },
  });
  // Read from here alone: the demo is the same whatever BORA_… variables and another bora.yaml say. What it is to listen to is a link,
  // and as JSON nobody fetches it: the demo needs no network.
  await writeFile(
    join(FOLDER, 'bora.yaml'),
    `upstreams:\n  - url: ${simulator.url}\n    transcriptions: json\n`,
  );
  const config = readConfig({ folder: FOLDER });
  await using bora = await startPrivateBora(join(FOLDER, 'data'), config, signal);
  const client = new BoraClient({ baseUrl: bora.url });
  output.say(`Bora listens on ${bora.url} and keeps everything in ./${FOLDER}.`);
  output.say(
    `Its inference server is a simulator on ${simulator.url}: no model is involved, the answers are made up.`,
  );

  const chat = await runBatch(client, chatFile, '/v1/chat/completions', CHAT_MODEL, signal);
  const embeddingsFile = join(import.meta.dirname, 'embeddings.jsonl');
  const embeddings = await runBatch(client, embeddingsFile, '/v1/embeddings', EMBEDDING_MODEL, signal);

  output.say(`\nThe other ${SMALL_JOBS.length} endpoints, a small job on each, all at once:`);
  const small = await runSmallJobs(client, signal);

  console.log(`\n${await report(client, chat, embeddings, small, signal)}`);
}

/** The requests of a file over and over, each with an id and a seed of its own. */
async function manyRequests(path: string, count: number): Promise<string> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return Array.from({ length: count }, (_, index) => {
    const request = JSON.parse(lines[index % lines.length]) as { custom_id: string; body: object };
    const round = Math.floor(index / lines.length) + 1;
    const custom_id = `${request.custom_id}-${String(round).padStart(3, '0')}`;
    return `${JSON.stringify({ custom_id, body: { ...request.body, random_seed: round } })}\n`;
  }).join('');
}

async function runBatch(
  client: BoraClient,
  path: string,
  endpoint: BatchEndpoint,
  model: string,
  signal: AbortSignal,
): Promise<BatchJob> {
  const file = await client.files.upload({ path }, {}, signal);
  output.say(
    `\nUploaded ${relative('.', path)}: ${countedText(file.num_lines ?? 0, 'line')}, checked and indexed.`,
  );
  const job = await client.jobs.create({ input_files: [file.id], endpoint, model }, signal);
  output.say(`Job ${job.id}: ${endpoint} with ${model}`);
  return watchJob(client, job.id, output, signal);
}

async function report(
  client: BoraClient,
  chat: BatchJob,
  embeddings: BatchJob,
  small: readonly BatchJob[],
  signal: AbortSignal,
): Promise<string> {
  const chatResults = join(FOLDER, 'chat-results.jsonl');
  const embeddingResults = join(FOLDER, 'embedding-results.jsonl');
  await writeFileDurably(chatResults, resultBytes(client.jobs.resultLines(chat, signal)), signal);
  await writeFileDurably(embeddingResults, resultBytes(client.jobs.resultLines(embeddings, signal)), signal);
  return [
    await sampleTable(client, chat, signal),
    '',
    await glanceTable(client, small, signal),
    '',
    jobTable([chat, embeddings, ...small]),
    ...whyLinesFailed([chat, embeddings, ...small]),
    '',
    'These answers came from the simulator, not from a model.',
    `Results, in input order:  ${chatResults}  ${embeddingResults}`,
    '',
    'Next, Bora before a server of your own:',
    '  vLLM, SGLang   BORA_UPSTREAM=http://localhost:8000 npm start',
    '  Ollama         BORA_UPSTREAM=http://localhost:11434 npm start',
    '  Mistral        BORA_UPSTREAM=https://api.mistral.ai BORA_UPSTREAM_API_KEY=… npm start',
    'and in a second terminal:',
    '  npx bora submit examples/chat.jsonl --endpoint /v1/chat/completions --model <model> --wait',
  ].join('\n');
}

async function sampleTable(client: BoraClient, job: BatchJob, signal: AbortSignal): Promise<string> {
  const rows: string[][] = [];
  for await (const outcome of client.jobs.results<ChatAnswer>(job, signal)) {
    rows.push(
      outcome.kind === 'succeeded'
        ? [outcome.customId ?? '', String(outcome.body.usage.completion_tokens), textOf(outcome.body)]
        : [outcome.customId ?? '', '', `failed: ${outcome.error.message}`],
    );
    if (rows.length === SAMPLE_ROWS) break;
  }
  return renderTable(
    [
      { title: 'request' },
      { title: 'tokens', align: 'right' },
      { title: 'answer (simulated)', maxWidth: 72 },
    ],
    rows,
  );
}

/** The simulator refuses nothing here, so that there are none unless something is wrong; then it should be seen what. */
function whyLinesFailed(jobs: readonly BatchJob[]): string[] {
  return jobs.flatMap(({ endpoint, errors }) =>
    errors.map(({ count, message }) => `${endpoint}: ${countText(count)} × ${message}`),
  );
}

function jobTable(jobs: readonly BatchJob[]): string {
  const rows = jobs.map((job) => {
    const summary = summaryOf(job);
    return [
      job.endpoint,
      countText(summary.succeeded),
      countText(summary.failed),
      countText(summary.input_tokens),
      countText(summary.output_tokens),
      // The API tells times in whole seconds.
      summary.seconds === 0 ? 'under 1 s' : durationText(summary.seconds * 1000),
      summary.seconds === 0 ? '' : rateText(summary.total / summary.seconds),
    ];
  });
  return renderTable(
    [
      { title: 'job' },
      { title: 'succeeded', align: 'right' },
      { title: 'failed', align: 'right' },
      { title: 'tokens in', align: 'right' },
      { title: 'tokens out', align: 'right' },
      { title: 'time', align: 'right' },
      { title: 'requests', align: 'right' },
    ],
    rows,
  );
}
