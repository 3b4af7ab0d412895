import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { CrashingBora } from '@bora/testkit/crash/crashing-bora';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { systemClock } from '../src/observe/clock.ts';
import { BreakableUpstream } from './breakable-upstream.ts';
import { answerWell, questionLine, questionOf } from './paced-bora.ts';

const QUESTIONS = Array.from({ length: 200 }, (_, at) => `q${at}`);

test(
  'a request over which Bora is killed each time ends as poison after five deaths, and all others succeed',
  { timeout: 60_000 },
  async () => {
    await using folder = await makeTemporaryFolder();
    await using upstream = await BreakableUpstream.open();
    const plan = { data: folder.path, upstream: upstream.url, kill: null, defect: null, clockAheadMs: 0 };
    let bora = await CrashingBora.start(plan);
    await using stack = new AsyncDisposableStack();
    stack.defer(() => bora[Symbol.asyncDispose]());
    let isPoisoned = false;
    upstream.reply = (request) => {
      if (questionOf(request) === 'q7') isPoisoned = true;
      else answerWell(request);
    };

    const input = await bora.client.files.upload(
      new Blob(QUESTIONS.map((question) => questionLine(question))),
    );
    const { id } = await bora.client.jobs.create({
      endpoint: '/v1/chat/completions',
      model: 'm',
      input_files: [input.id],
    });
    let deaths = 0;
    let job: BatchJob | null = null;
    while (job === null || job.completed_at === null) {
      if (isPoisoned) {
        bora.kill();
        await bora.died();
        isPoisoned = false;
        deaths += 1;
        bora = await CrashingBora.start(plan);
      }
      await systemClock.sleep(20);
      job = await bora.client.jobs.get(id);
    }
    assert.deepEqual(
      [job.succeeded_requests, job.errors, deaths],
      [199, [{ message: 'Bora died each time it worked on this request.', count: 1 }], 5],
    );
  },
);
