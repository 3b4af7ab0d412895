import { createHash } from 'node:crypto';
import type { OpenAiUpload, OpenAiUploadPart } from '@bora/protocol/openai-uploads';
import type { CrashRun, Harm } from './crash-run.ts';
import { ask } from './openai-scenario.ts';
import { requestLine } from './requests.ts';
import { runLife } from './scenario.ts';
import type { CrashReport } from './scenario.ts';

const CONTENT = Array.from({ length: 2_000 }, (_, ordinal) => `${requestLine(ordinal)}\n`).join('');
const MD5 = createHash('md5').update(CONTENT).digest('hex');
/** The last one is small enough to lie in the database. */
const CUTS = [0, 90_000, 180_000, CONTENT.length - 20_000, CONTENT.length];

/** How often `upload.durable` is passed until an upload is complete: once with each part, and once with the file. */
export const DURABLE_STEPS = CUTS.length;

/**
 * A file that comes in parts and becomes one, and an upload that is cancelled: each part that was acknowledged is there when the file is
 * made of it.
 */
export function runUploadCrashScenario(harm: Harm): Promise<CrashReport> {
  return runLife(harm, 0, live);
}

async function live(run: CrashRun): Promise<void> {
  const id = await begin(run);
  const partIds: string[] = [];
  for (const at of CUTS.slice(1).keys()) partIds.push(await sendPart(run, id, at));
  const body = JSON.stringify({ part_ids: partIds, md5: MD5 });
  const { file } = await run.call((client) =>
    ask<OpenAiUpload>(client, `/v1/uploads/${id}/complete`, { method: 'POST', body }),
  );
  const content = await run.call(async (client) =>
    new Response(await client.files.content(file?.id ?? '')).text(),
  );
  if (content !== CONTENT) run.violations.push('The file is not what its parts were.');
  const { total } = await run.call((client) => client.files.list());
  if (total !== 1) run.violations.push(`Of one upload ${total} files were made.`);

  const cancelled = await begin(run);
  await sendPart(run, cancelled, 0);
  await run.call((client) => ask(client, `/v1/uploads/${cancelled}/cancel`, { method: 'POST' }));
}

async function begin(run: CrashRun): Promise<string> {
  const body = JSON.stringify({
    filename: 'in.jsonl',
    purpose: 'batch',
    bytes: CONTENT.length,
    mime_type: 'application/jsonl',
  });
  const { id } = await run.call((client) =>
    ask<OpenAiUpload>(client, '/v1/uploads', { method: 'POST', body }),
  );
  return id;
}

async function sendPart(run: CrashRun, uploadId: string, at: number): Promise<string> {
  const { id } = await run.call((client) => {
    const body = new FormData();
    body.append('data', new Blob([CONTENT.slice(CUTS[at], CUTS[at + 1])]));
    return ask<OpenAiUploadPart>(client, `/v1/uploads/${uploadId}/parts`, { method: 'POST', body });
  });
  return id;
}
