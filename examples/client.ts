/**
 * Bora's own client: a list of requests, built while it is uploaded, and its answers in the same order. Start `npx bora simulate` and
 * `BORA_UPSTREAM=… npm start` first, then: node examples/client.ts
 */
import { BoraClient } from '@bora/client';
import { textOf } from '@bora/client/answers';
import { forChat } from '@bora/client/request-builders';
import { UsageTotal } from '@bora/client/usage-total';

const bora = new BoraClient({ baseUrl: process.env['BORA_URL'], apiKey: process.env['BORA_API_KEY'] });

function* questions() {
  for (const herb of ['thyme', 'sage', 'basil', 'bay'])
    for (const month of ['April', 'October'])
      yield forChat(`What does ${herb} need in ${month}?`, { max_tokens: 60 }, `${herb}-${month}`);
}

const usage = new UsageTotal();
const outcomes = bora.requests.run(
  questions(),
  { endpoint: '/v1/chat/completions', model: process.env['BORA_MODEL'] ?? 'simulated-chat' },
  { onProgress: ({ completed, total }) => console.error(`${completed} of ${total}`), deleteFiles: true },
);
for await (const outcome of outcomes) {
  usage.add(outcome);
  console.log(
    `${outcome.customId}: ${outcome.kind === 'succeeded' ? textOf(outcome.body) : outcome.error.message}`,
  );
}
console.log(`${usage.totalTokens} tokens`);
