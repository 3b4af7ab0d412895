import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { call, chatLine, startApiServer } from './api-server.ts';

const JOB = JSON.stringify({ endpoint: '/v1/chat/completions', model: 'm', requests: [chatLine('a')] });

test('results of a job that is deleted at the moment when they are asked for are answered 404', async () => {
  await using server = await startApiServer({
    wrapDatabase: (database) => ({
      ...database,
      async readResults(workspaceId, batchId, asked) {
        await database.deleteBatch(workspaceId, batchId);
        return database.readResults(workspaceId, batchId, asked);
      },
    }),
  });
  for (const path of ['/v1/batch/jobs', '/v1/batches']) {
    const headers = { 'content-type': 'application/json' };
    const created = await call<BatchJob>(server, '/v1/batch/jobs', { method: 'POST', headers, body: JOB });
    const { status, body } = await call(server, `${path}/${created.body.id}/results`);
    assert.equal(status, 404);
    assert.equal(body.bora?.code, 'job_not_found');
  }
});

test('results of a job of which nothing is answered yet are none, and not all', async () => {
  await using server = await startApiServer();
  const headers = { 'content-type': 'application/json' };
  const created = await call<BatchJob>(server, '/v1/batch/jobs', { method: 'POST', headers, body: JOB });
  const answer = await fetch(`${server.url}/v1/batch/jobs/${created.body.id}/results`);
  assert.deepEqual(
    [
      answer.status,
      answer.headers.get('x-bora-complete'),
      answer.headers.get('x-bora-lines'),
      await answer.text(),
    ],
    [200, 'false', '0', ''],
  );
});
