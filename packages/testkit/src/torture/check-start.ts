import { BoraError } from '@bora/client/bora-error';
import type { TortureBooks } from './books.ts';
import { sha256Of } from './check-results.ts';
import { type Life, PromiseBroken } from './life.ts';
import { contentOf, fingerprint } from './request-sets.ts';
import { deleteFile, deleteJob, sawProgress } from './workload.ts';

/** After a start: everything that was acknowledged is there as it was, and what was deleted stays away. */
export async function checkStart(life: Life, books: TortureBooks): Promise<void> {
  await listsAll(life, books);
  await findUnanswered(life, books);
  for (const file of books.files) {
    if (file.deletion === 'done') await isGone(life, 'file', file.id);
    else if (file.deletion === 'no') await sameBytes(life, file.id, fingerprint(contentOf(file.set)));
  }
  for (const job of books.jobs) {
    if (job.id === null) continue;
    if (job.deletion === 'done') await isGone(life, 'job', job.id);
    if (job.deletion !== 'no') continue;
    const found = await life.call((client) => client.jobs.get(job.id ?? ''));
    sawProgress(job, found);
    if (job.end !== null && found.status !== job.end.status) {
      throw new PromiseBroken(`Job ${job.id} had ended as ${job.end.status} and is ${found.status}.`);
    }
    for (const { id, sha256 } of job.end?.files ?? []) await sameBytes(life, id, sha256);
  }
  await finishDeletions(life, books);
}

async function listsAll(life: Life, books: TortureBooks): Promise<void> {
  const listed = new Set<string>();
  await life.call(async (client) => {
    for await (const { id } of client.files.listAll()) listed.add(id);
  });
  const lost = books.files.find(({ id, deletion }) => deletion === 'no' && !listed.has(id));
  if (lost !== undefined) throw new PromiseBroken(`File ${lost.id}, which was acknowledged, is not listed.`);
}

/** A create that was not answered has happened, and its job is there, or has not, and never will. */
async function findUnanswered(life: Life, books: TortureBooks): Promise<void> {
  const unanswered = books.jobs.filter(({ id }) => id === null);
  for (const job of unanswered) {
    const metadata = { number: String(job.number) };
    const { data } = await life.call((client) => client.jobs.list({ metadata }));
    if (data.length > 1) throw new PromiseBroken(`Job number ${job.number} was made ${data.length} times.`);
    job.id = data[0]?.id ?? null;
  }
  books.jobs = books.jobs.filter(({ id }) => id !== null);
}

async function sameBytes(life: Life, fileId: string, sha256: string): Promise<void> {
  if ((await sha256Of(life, fileId)) === sha256) return;
  throw new PromiseBroken(`File ${fileId}, which was acknowledged, came back with other bytes.`);
}

async function isGone(life: Life, kind: 'job' | 'file', id: string): Promise<void> {
  try {
    await life.call(({ jobs, files }): Promise<unknown> =>
      kind === 'job' ? jobs.get(id) : files.retrieve(id),
    );
  } catch (error) {
    if (error instanceof BoraError && error.status === 404) return;
    throw error;
  }
  throw new PromiseBroken(`A deleted ${kind} came back: ${id}.`);
}

/** Of what was deleted without an answer nobody knows whether it is there: it is deleted once more. */
async function finishDeletions(life: Life, books: TortureBooks): Promise<void> {
  for (const job of books.jobs.filter(({ deletion }) => deletion === 'asked')) await deleteJob(life, job);
  for (const file of books.files.filter(({ deletion }) => deletion === 'asked')) {
    await deleteFile(life, file.id);
  }
  books.files = books.files.filter(({ deletion }) => deletion === 'no');
  books.jobs = books.jobs.filter(({ deletion }) => deletion === 'no');
}
