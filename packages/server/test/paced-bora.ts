import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { ResultLine } from '@bora/protocol/mistral-lines';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora, WholeBoraOptions } from '@bora/testkit/whole-bora';
import type { FileUpstream } from '../src/config/bora-yaml.ts';
import { json } from './breakable-upstream.ts';
import type { ReceivedRequest } from './breakable-upstream.ts';

const CHAT = '/v1/chat/completions';

/**
 * What passes between two looks at a job. Small beside the 3 seconds that a listing may take and the 30 that a session may be silent,
 * so that what really happens between two looks (a call or two on loopback, a turn of the database) never comes late.
 */
const STEP_MS = 250;
/** Some minutes; what takes longer is passed by `pass`. */
const MOST_STEPS = 2_000;
/** A beat of a session: all of them are alive if each is heard before the next is due. */
const LONG_STEP_MS = 10_000;

export interface PacedOptions extends Omit<WholeBoraOptions, 'upstreams'> {
  /** As in `bora.yaml`. */
  readonly upstreams: readonly FileUpstream[];
}

/** A whole Bora whose time passes only while somebody waits for a job, or says so. */
export interface PacedBora extends WholeBora {
  readonly clock: SimulatedClock;
  /** Uploads one chat request per question, with the question as its id. */
  uploadQuestions(questions: readonly string[], model?: string): Promise<string>;
  /** Uploads the questions and starts a job of them for the model `m`. */
  ask(questions: readonly string[]): Promise<string>;
  /** Lets time pass until `holds` of the job. */
  until(jobId: string, holds: (job: BatchJob) => boolean): Promise<BatchJob>;
  ended(jobId: string): Promise<BatchJob>;
  /** Lets that much time pass, with heartbeats heard in between. */
  pass(ms: number): Promise<void>;
  /** Lets time pass until `count` requests came to an upstream. */
  received(upstream: { readonly requests: readonly unknown[] }, count: number): Promise<void>;
  /** Lets time pass until `holds`. */
  eventually(holds: () => boolean | Promise<boolean>): Promise<void>;
  /** The lines of both result files, by id. */
  results(job: BatchJob): Promise<Map<string, ResultLine>>;
}

export async function startPacedBora({ upstreams, ...options }: PacedOptions): Promise<PacedBora> {
  await using starting = new AsyncDisposableStack();
  const dataFolder = options.dataFolder ?? starting.use(await makeTemporaryFolder()).path;
  const clock = new SimulatedClock();
  // JSON is YAML.
  await writeFile(join(dataFolder, 'bora.yaml'), JSON.stringify({ upstreams }));
  const whole = await startWholeBora({
    ...options,
    upstreams: [],
    dataFolder,
    overrides: { clock, random: () => 0, ...options.overrides },
  });
  starting.defer(() => whilePassing(clock, whole[Symbol.asyncDispose]()));
  const { client } = whole;

  /** Answered by the database, so that whatever was asked of it before has happened. */
  const heartbeatsAreHeard = async (): Promise<void> => void (await fetch(`${whole.url}/readyz`));
  const eventually: PacedBora['eventually'] = async (holds) => {
    for (let steps = 0; !(await holds()); steps++) {
      if (steps === MOST_STEPS)
        throw new Error(`It does not hold after ${(steps * STEP_MS) / 1000} s of its time.`);
      await clock.advance(STEP_MS);
      await heartbeatsAreHeard();
    }
  };
  const until: PacedBora['until'] = async (jobId, holds) => {
    let job = await client.jobs.get(jobId);
    const look = async (): Promise<boolean> => {
      job = await client.jobs.get(jobId);
      return holds(job);
    };
    await eventually(look).catch((error: unknown) => {
      throw new Error(`The job stays ${JSON.stringify(job)}`, { cause: error });
    });
    return job;
  };
  const uploadQuestions: PacedBora['uploadQuestions'] = async (questions, model) =>
    (await client.files.upload(new Blob(questions.map((question) => questionLine(question, model))))).id;

  const pass: PacedBora['pass'] = async (ms) => {
    for (let left = ms; left > 0; left -= LONG_STEP_MS) {
      await clock.advance(Math.min(left, LONG_STEP_MS));
      await heartbeatsAreHeard();
    }
  };

  const started = starting.move();
  return {
    ...whole,
    clock,
    uploadQuestions,
    async ask(questions) {
      const input = await uploadQuestions(questions);
      return (await client.jobs.create({ endpoint: CHAT, model: 'm', input_files: [input] })).id;
    },
    until,
    ended: (jobId) => until(jobId, ({ completed_at }) => completed_at !== null),
    eventually,
    pass,
    received: (upstream, count) => eventually(() => upstream.requests.length >= count),
    async results(job) {
      const lines = new Map<string, ResultLine>();
      for await (const { bytes } of client.jobs.resultLines(job)) {
        const line = JSON.parse(Buffer.from(bytes).toString()) as ResultLine;
        if (lines.has(line.custom_id ?? '')) throw new Error(`There are two lines of ${line.custom_id}.`);
        lines.set(line.custom_id ?? '', line);
      }
      return lines;
    },
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}

/** A line of a batch file. */
export function questionLine(question: string, model?: string): string {
  const messages = [{ role: 'user', content: question }];
  return `${JSON.stringify({ custom_id: question, body: { ...(model === undefined ? {} : { model }), messages } })}\n`;
}

export function questionOf({ body }: ReceivedRequest): string {
  return questionOfBody(body);
}

export function questionOfBody(body: Uint8Array): string {
  const { messages } = JSON.parse(Buffer.from(body).toString()) as { messages: { content: string }[] };
  return messages[0].content;
}

function chatAnswer(request: ReceivedRequest): unknown {
  return {
    id: 'cmpl',
    object: 'chat.completion',
    created: 0,
    model: 'm',
    choices: [
      {
        index: 0,
        finish_reason: 'stop',
        message: { role: 'assistant', content: `To ${questionOf(request)}` },
      },
    ],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  };
}

/** Answers well. */
export function answerWell(request: ReceivedRequest): void {
  json(200, chatAnswer(request))(request);
}

/** Why a job waits. */
export function waitingOf(job: BatchJob): string {
  return (job.bora?.waiting ?? []).join(' ');
}

/** The error body of a failed line, which is a string. */
export function errorOf(line: ResultLine | undefined): string {
  const body = line?.response?.body;
  if (typeof body !== 'string') throw new Error(`The line is no error line: ${JSON.stringify(line)}`);
  return body;
}

async function whilePassing(clock: SimulatedClock, work: PromiseLike<void>): Promise<void> {
  const done = new AbortController();
  const working = Promise.resolve(work).finally(() => done.abort());
  while (!done.signal.aborted) await clock.advance(STEP_MS);
  await working;
}
