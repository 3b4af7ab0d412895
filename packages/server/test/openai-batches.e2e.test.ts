import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openAiBatch } from '@bora/protocol/openai-batches';
import { openAiResultLine } from '@bora/protocol/openai-lines';
import { startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import OpenAI6 from 'openai-6';
import OpenAI from 'openai';
import { chatLine, ended, linesOf, openAiClient, uploadLines } from './openai-client.ts';

const USAGE = {
  prompt_tokens: 10,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens: 7,
  completion_tokens_details: { reasoning_tokens: 3 },
};
const CHAT = '/v1/chat/completions';

describe("a batch through OpenAI's SDK", () => {
  for (const [version, Client] of [
    ['7', OpenAI],
    ['6', OpenAI6 as unknown as typeof OpenAI],
  ] as const) {
    test(`goes from upload to results, version ${version}`, async () => {
      await using upstream = await startScriptedUpstream(['small'], ({ body }) => {
        const question = (body['messages'] as { content: string }[])[0].content;
        return question === 'bad'
          ? {
              status: 400,
              body: { error: { message: 'no', type: 'BadRequestError', param: null, code: 400 } },
            }
          : { body: { choices: [], usage: USAGE, question } };
      });
      await using whole = await startWholeBora({ upstreams: [upstream.url] });
      const client = openAiClient(whole, Client);

      const file = await uploadLines(client, [
        chatLine('a', 'one'),
        chatLine('b', 'bad'),
        chatLine('c', 'two'),
      ]);
      const created = await client.batches.create({
        input_file_id: file.id,
        endpoint: CHAT,
        completion_window: '24h',
        metadata: { run: 'first' },
        output_expires_after: { anchor: 'created_at', seconds: 3600 },
      });
      openAiBatch.parse(created);
      assert.match(created._request_id ?? '', /^[0-9a-f-]{36}$/);
      await client.files.delete(file.id);
      assert.equal(created.status, 'validating');
      assert.equal(created.expires_at, created.created_at + 86_400);

      const batch = await ended(client, created.id);
      openAiBatch.parse(batch);
      assert.equal(batch.status, 'completed');
      assert.deepEqual(batch.request_counts, { total: 3, completed: 2, failed: 1 });
      assert.equal(batch.model, 'small');
      assert.deepEqual(batch.metadata, { run: 'first' });
      assert.ok(batch.in_progress_at && batch.finalizing_at && batch.completed_at);
      assert.deepEqual(batch.usage, {
        input_tokens: 20,
        input_tokens_details: { cached_tokens: 8 },
        output_tokens: 14,
        output_tokens_details: { reasoning_tokens: 6 },
        total_tokens: 34,
      });

      for (const [fileId, name] of [
        [batch.output_file_id!, 'output'],
        [batch.error_file_id!, 'error'],
      ]) {
        const result = await client.files.retrieve(fileId);
        assert.deepEqual(
          [result.filename, result.purpose, result.expires_at! - result.created_at],
          [`${batch.id}_${name}.jsonl`, 'batch_output', 3600],
        );
      }
      const output = await linesOf(client, batch.output_file_id!);
      for (const line of output) openAiResultLine.parse(line);
      assert.deepEqual(
        output.map(({ custom_id }) => custom_id),
        ['a', 'c'],
      );
      const [failed] = await linesOf(client, batch.error_file_id!);
      assert.equal(failed.custom_id, 'b');
      assert.equal(failed.error, null);
      assert.deepEqual(failed.response?.body, {
        error: { message: 'no', type: 'BadRequestError', param: null, code: '400' },
      });
    });
  }
});
