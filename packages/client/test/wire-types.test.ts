import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as clientFiles from '@bora/client/file-types';
import type * as clientJobs from '@bora/client/job-types';
import type { JobFilter } from '@bora/client/jobs';
import type { Upstream as ClientUpstream } from '@bora/client/upstreams';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import type { Upstream } from '@bora/protocol/bora-upstreams';
import type * as files from '@bora/protocol/mistral-files';
import type * as jobs from '@bora/protocol/mistral-jobs';

/** The client writes its wire types out, so that they stand alone; the compiler holds them to the schemas of the protocol here. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** Where the client offers less, or takes read-only lists: what it sends is what the server takes. */
type Offers<Client, Server> = keyof Client extends keyof Server ? true : false;
type Mutable<T> = T extends object ? { -readonly [Key in keyof T]: Mutable<T[Key]> } : T;
type Sends<Client, Server> = [Mutable<Client>] extends [Server] ? true : false;

test('the wire types of the client are those of the protocol', () => {
  const answers: readonly true[] = [
    true satisfies Same<clientJobs.BatchEndpoint, BatchEndpoint>,
    true satisfies Same<clientJobs.JobStatus, jobs.JobStatus>,
    true satisfies Same<clientJobs.JobOrder, jobs.JobOrder>,
    true satisfies Same<clientJobs.BatchJob, jobs.BatchJob>,
    true satisfies Same<keyof clientJobs.BatchJob, keyof jobs.BatchJob>,
    true satisfies Same<keyof clientJobs.BoraJobExtension, keyof NonNullable<jobs.BatchJob['bora']>>,
    true satisfies Same<clientJobs.BatchJobList, jobs.BatchJobList>,
    true satisfies Same<clientJobs.DeletedBatchJob, jobs.DeletedBatchJob>,
    true satisfies Same<clientFiles.FilePurpose, files.FilePurpose>,
    true satisfies Same<clientFiles.RetrievedFile, files.RetrievedFile>,
    true satisfies Same<clientFiles.FileList, files.FileList>,
    true satisfies Same<clientFiles.DeletedFile, files.DeletedFile>,
    true satisfies Same<ClientUpstream, Upstream>,
    true satisfies Same<keyof ClientUpstream, keyof Upstream>,
    true satisfies Offers<clientJobs.NewJob, jobs.CreateBatchJob>,
    true satisfies Sends<clientJobs.NewJob, jobs.CreateBatchJob>,
    // Bora refuses jobs that name one.
    true satisfies 'agent_id' extends keyof clientJobs.NewJob | keyof JobFilter ? false : true,
  ];
  assert.ok(answers.every(Boolean));
});
