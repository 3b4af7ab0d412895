/**
 * Mistral's own TypeScript SDK against Bora: only `serverURL` differs. Start `npx bora simulate` and `BORA_UPSTREAM=… npm start`
 * first, then: node examples/typescript-sdk.ts
 */
import { openAsBlob } from 'node:fs';
import { Mistral } from '@mistralai/mistralai';

const mistral = new Mistral({
  serverURL: process.env['BORA_URL'] ?? 'http://127.0.0.1:2672', // without /v1: the SDK adds it
  apiKey: process.env['BORA_API_KEY'] ?? 'none needed on loopback',
});

const file = await mistral.files.upload({
  file: new File([await openAsBlob(`${import.meta.dirname}/chat.jsonl`)], 'chat.jsonl'),
  purpose: 'batch',
});
console.log(`uploaded ${file.filename}: ${file.numLines} lines`);

let job = await mistral.batch.jobs.create({
  inputFiles: [file.id],
  endpoint: '/v1/chat/completions',
  model: process.env['BORA_MODEL'] ?? 'simulated-chat',
  metadata: { job_type: 'example' },
});
while (job.status === 'QUEUED' || job.status === 'RUNNING') {
  await new Promise((resolve) => setTimeout(resolve, 500));
  job = await mistral.batch.jobs.get({ jobId: job.id });
  console.log(`${job.status}: ${job.completedRequests} of ${job.totalRequests}`);
}

if (job.outputFile) {
  const stream = await mistral.files.download({ fileId: job.outputFile });
  const lines = (await new Response(stream).text()).trimEnd().split('\n');
  console.log(`${lines.length} results, the first of them:\n${lines[0]}`);
}
