import { z } from 'zod';
import { BATCH_ENDPOINTS } from './batch-endpoints.ts';
import * as access from './bora-access.ts';
import { resultsQuery } from './bora-extensions.ts';
import * as upstreams from './bora-upstreams.ts';
import * as files from './mistral-files.ts';
import * as jobs from './mistral-jobs.ts';
import { model, modelList } from './models.ts';
import * as batches from './openai-batches.ts';
import { expiresAfter, openAiFile, openAiFileList, openAiFileListQuery } from './openai-files.ts';
import * as uploads from './openai-uploads.ts';

/** What an operation takes or gives as its body: JSON of a schema, a form with a file, or bytes of a type. */
export type Content =
  | { readonly kind: 'json'; readonly schema: z.ZodType }
  | {
      readonly kind: 'form';
      /** The part that holds the bytes. Default: `file`. */
      readonly file?: string;
      readonly fields: z.ZodObject;
    }
  | { readonly kind: 'bytes'; readonly type: string };

/** One call of the API. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'PATCH';
  /** Parameters in braces. */
  readonly path: string;
  readonly group: string;
  readonly summary: string;
  /** The scope that a key needs; null: no key. */
  readonly scope: (typeof access.KEY_SCOPES)[number] | null;
  readonly query?: z.ZodObject;
  /** It takes an `Idempotency-Key`: with one it makes its object once. Default: false. */
  readonly takesKey?: boolean;
  readonly body?: Content;
  /** What it takes as well. */
  readonly otherBody?: Content;
  /** Of the answer 200. */
  readonly answer: Content;
}

/** Synchronous calls that are passed through: JSON that names a model. */
export const FORWARDED_ENDPOINTS: readonly string[] = [
  ...BATCH_ENDPOINTS,
  '/v1/completions',
  '/v1/responses',
  '/v1/images/generations',
];

const json = (schema: z.ZodType): Content => ({ kind: 'json', schema });

const FILES = 'Files, of both dialects';
const JOBS = "Batch jobs, in Mistral's dialect";
const UPLOADS = "Files in parts, in OpenAI's dialect";
const BATCHES = "Batches, in OpenAI's dialect";
const CALLS = 'Single calls';
const ADMIN = 'Administration of Bora';
const HEALTH = 'Health';

/** Text parts of an upload, of both dialects. */
const uploadForm = files.fileUploadFields.extend({
  purpose: z.enum([...files.FILE_PURPOSES, ...files.OPENAI_ONLY_PURPOSES]).optional(),
  'expires_after[anchor]': expiresAfter.shape.anchor.optional(),
  'expires_after[seconds]': expiresAfter.shape.seconds.optional(),
});

const RECORDING: Content = { kind: 'form', fields: z.object({ model: z.string() }) };

/** Every call that Bora takes, in the order in which a reader wants them. A test holds the server's routes to it. */
export const OPERATIONS: readonly Operation[] = [
  {
    method: 'POST',
    path: '/v1/files',
    group: FILES,
    summary: 'Upload a file. A batch file is checked line by line while it arrives.',
    scope: 'write',
    takesKey: true,
    body: { kind: 'form', fields: uploadForm },
    answer: json(openAiFile),
  },
  {
    method: 'GET',
    path: '/v1/files',
    group: FILES,
    summary: 'List files, newest first.',
    scope: 'read',
    query: files.fileListQuery.extend(openAiFileListQuery.shape),
    answer: json(openAiFileList),
  },
  {
    method: 'GET',
    path: '/v1/files/{file_id}',
    group: FILES,
    summary: 'Look at a file.',
    scope: 'read',
    answer: json(openAiFile.extend(files.retrievedFile.pick({ deleted: true }).shape)),
  },
  {
    method: 'DELETE',
    path: '/v1/files/{file_id}',
    group: FILES,
    summary: 'Delete a file. Jobs that run over it go on.',
    scope: 'write',
    answer: json(files.deletedFile),
  },
  {
    method: 'GET',
    path: '/v1/files/{file_id}/content',
    group: FILES,
    summary: 'Download a file, whole or a range of it.',
    scope: 'read',
    answer: { kind: 'bytes', type: 'application/octet-stream' },
  },
  {
    method: 'GET',
    path: '/v1/files/{file_id}/url',
    group: FILES,
    summary: 'Get a link that works without a key for some hours.',
    scope: 'read',
    query: files.signedUrlQuery,
    answer: json(files.signedUrl),
  },
  {
    method: 'POST',
    path: '/v1/uploads',
    group: UPLOADS,
    summary: 'Begin a file of up to 8 GiB that comes in parts. It is open for an hour.',
    scope: 'write',
    takesKey: true,
    body: json(uploads.createOpenAiUpload),
    answer: json(uploads.openAiUpload),
  },
  {
    method: 'POST',
    path: '/v1/uploads/{upload_id}/parts',
    group: UPLOADS,
    summary: 'Add a part of up to 64 MiB, in any order and several at once.',
    scope: 'write',
    body: { kind: 'form', file: 'data', fields: z.object({}) },
    answer: json(uploads.openAiUploadPart),
  },
  {
    method: 'POST',
    path: '/v1/uploads/{upload_id}/complete',
    group: UPLOADS,
    summary: 'Make the file of its parts, in the order given. Asked again it answers the same.',
    scope: 'write',
    body: json(uploads.completeOpenAiUpload),
    answer: json(uploads.openAiUpload),
  },
  {
    method: 'POST',
    path: '/v1/uploads/{upload_id}/cancel',
    group: UPLOADS,
    summary: 'Drop an upload and its parts.',
    scope: 'write',
    answer: json(uploads.openAiUpload),
  },
  {
    method: 'POST',
    path: '/v1/batch/jobs',
    group: JOBS,
    summary: 'Create a job over files, or over up to 10,000 requests in the call.',
    scope: 'write',
    takesKey: true,
    body: json(jobs.createBatchJob),
    answer: json(jobs.batchJob),
  },
  {
    method: 'GET',
    path: '/v1/batch/jobs',
    group: JOBS,
    summary: 'List jobs. Any other parameter is a metadata pair that must match.',
    scope: 'read',
    query: jobs.batchJobListQuery,
    answer: json(jobs.batchJobList),
  },
  {
    method: 'GET',
    path: '/v1/batch/jobs/{job_id}',
    group: JOBS,
    summary: 'Look at a job: its status, its counts, why it waits, its result files.',
    scope: 'read',
    query: jobs.batchJobQuery,
    answer: json(jobs.batchJob),
  },
  {
    method: 'GET',
    path: '/v1/batch/jobs/{job_id}/results',
    group: JOBS,
    summary: 'Read the result lines that are there, while the job runs too.',
    scope: 'read',
    query: resultsQuery,
    answer: { kind: 'bytes', type: 'application/x-ndjson' },
  },
  {
    method: 'POST',
    path: '/v1/batch/jobs/{job_id}/cancel',
    group: JOBS,
    summary: 'Stop a job. Results that are there stay.',
    scope: 'write',
    answer: json(jobs.batchJob),
  },
  {
    method: 'DELETE',
    path: '/v1/batch/jobs/{job_id}',
    group: JOBS,
    summary: 'Remove a job, cancelling it first if it runs. Its files stay.',
    scope: 'write',
    answer: json(jobs.deletedBatchJob),
  },
  {
    method: 'POST',
    path: '/v1/batches',
    group: BATCHES,
    summary: 'Create a batch over an uploaded file. It is validated before anything is sent.',
    scope: 'write',
    takesKey: true,
    body: json(batches.createOpenAiBatch),
    answer: json(batches.openAiBatch),
  },
  {
    method: 'GET',
    path: '/v1/batches',
    group: BATCHES,
    summary: 'List batches, newest first.',
    scope: 'read',
    query: batches.openAiBatchListQuery,
    answer: json(batches.openAiBatchList),
  },
  {
    method: 'GET',
    path: '/v1/batches/{batch_id}',
    group: BATCHES,
    summary: 'Look at a batch.',
    scope: 'read',
    answer: json(batches.openAiBatch),
  },
  {
    method: 'GET',
    path: '/v1/batches/{batch_id}/results',
    group: BATCHES,
    summary: 'Read the result lines that are there, while the batch runs too.',
    scope: 'read',
    query: resultsQuery,
    answer: { kind: 'bytes', type: 'application/x-ndjson' },
  },
  {
    method: 'POST',
    path: '/v1/batches/{batch_id}/cancel',
    group: BATCHES,
    summary: 'Stop a batch. Requests without an answer end as `batch_cancelled`.',
    scope: 'write',
    answer: json(batches.openAiBatch),
  },
  {
    method: 'GET',
    path: '/v1/models',
    group: CALLS,
    summary: 'List the models of the upstreams.',
    scope: 'read',
    answer: json(modelList),
  },
  {
    method: 'GET',
    path: '/v1/models/{model}',
    group: CALLS,
    summary: 'Look at a model.',
    scope: 'read',
    answer: json(model),
  },
  ...FORWARDED_ENDPOINTS.map((path) => ({
    method: 'POST' as const,
    path,
    group: CALLS,
    summary: 'Passed through to an upstream, ahead of batch work.',
    scope: 'write' as const,
    body: { kind: 'bytes' as const, type: 'application/json' },
    ...(path === '/v1/audio/transcriptions' ? { otherBody: RECORDING } : {}),
    answer: { kind: 'bytes' as const, type: 'application/json' },
  })),
  {
    method: 'GET',
    path: '/bora/v1/keys',
    group: ADMIN,
    summary: 'List API keys.',
    scope: 'admin',
    answer: json(access.apiKeyList),
  },
  {
    method: 'POST',
    path: '/bora/v1/keys',
    group: ADMIN,
    summary: 'Make a key. It is shown this once.',
    scope: 'admin',
    body: json(access.createApiKey),
    answer: json(access.createdApiKey),
  },
  {
    method: 'DELETE',
    path: '/bora/v1/keys/{key_id}',
    group: ADMIN,
    summary: 'Revoke a key, at once.',
    scope: 'admin',
    answer: json(access.revokedApiKey),
  },
  {
    method: 'GET',
    path: '/bora/v1/workspaces',
    group: ADMIN,
    summary: 'List workspaces.',
    scope: 'admin',
    answer: json(access.workspaceList),
  },
  {
    method: 'POST',
    path: '/bora/v1/workspaces',
    group: ADMIN,
    summary: 'Make a workspace.',
    scope: 'admin',
    body: json(access.createWorkspace),
    answer: json(access.workspace),
  },
  {
    method: 'GET',
    path: '/bora/v1/workspaces/{workspace}',
    group: ADMIN,
    summary: 'Look at a workspace, with what it uses of its limits.',
    scope: 'admin',
    answer: json(access.workspaceDetails),
  },
  {
    method: 'PATCH',
    path: '/bora/v1/workspaces/{workspace}',
    group: ADMIN,
    summary: 'Change limits or weight of a workspace, or disable it.',
    scope: 'admin',
    body: json(access.changeWorkspace),
    answer: json(access.workspace),
  },
  {
    method: 'GET',
    path: '/bora/v1/audit',
    group: ADMIN,
    summary: 'Read the audit log, newest first.',
    scope: 'admin',
    query: access.auditQuery,
    answer: json(access.auditPage),
  },
  {
    method: 'GET',
    path: '/bora/v1/upstreams',
    group: ADMIN,
    summary: 'List upstreams with their state.',
    scope: 'admin',
    answer: json(upstreams.upstreamList),
  },
  {
    method: 'POST',
    path: '/bora/v1/upstreams/{upstream}/pause',
    group: ADMIN,
    summary: 'Send an upstream nothing more until it is resumed.',
    scope: 'admin',
    body: json(upstreams.pauseUpstream),
    answer: json(upstreams.upstream),
  },
  {
    method: 'POST',
    path: '/bora/v1/upstreams/{upstream}/resume',
    group: ADMIN,
    summary: 'End a pause, or try at once what is down.',
    scope: 'admin',
    answer: json(upstreams.upstream),
  },
  {
    method: 'GET',
    path: '/healthz',
    group: HEALTH,
    summary: 'Whether the process answers.',
    scope: null,
    answer: { kind: 'bytes', type: 'application/json' },
  },
  {
    method: 'GET',
    path: '/readyz',
    group: HEALTH,
    summary: 'Whether uploads and jobs can be taken; 503 if not.',
    scope: null,
    answer: { kind: 'bytes', type: 'application/json' },
  },
  {
    method: 'GET',
    path: '/metrics',
    group: HEALTH,
    summary: 'Figures for Prometheus.',
    scope: null,
    answer: { kind: 'bytes', type: 'text/plain' },
  },
  {
    method: 'GET',
    path: '/openapi.json',
    group: HEALTH,
    summary: 'This description, as OpenAPI 3.1.',
    scope: null,
    answer: { kind: 'bytes', type: 'application/json' },
  },
  {
    method: 'GET',
    path: '/reference',
    group: HEALTH,
    summary: 'This description, as a page to read.',
    scope: null,
    answer: { kind: 'bytes', type: 'text/html' },
  },
];
