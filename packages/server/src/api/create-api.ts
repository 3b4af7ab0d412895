import type { FastifyInstance } from 'fastify';
import { fastify } from 'fastify';
import { changeWorkspaceRoute } from './admin/change-workspace.ts';
import { createKeyRoute } from './admin/create-key.ts';
import { createWorkspaceRoute } from './admin/create-workspace.ts';
import { getWorkspaceRoute } from './admin/get-workspace.ts';
import { healthRoute } from './admin/health.ts';
import { listKeysRoute } from './admin/list-keys.ts';
import { listWorkspacesRoute } from './admin/list-workspaces.ts';
import { listUpstreamsRoute } from './admin/list-upstreams.ts';
import { metricsRoute } from './admin/metrics.ts';
import { pauseUpstreamRoute } from './admin/pause-upstream.ts';
import { readAuditRoute } from './admin/read-audit.ts';
import { readyRoute } from './admin/ready.ts';
import { resumeUpstreamRoute } from './admin/resume-upstream.ts';
import { revokeKeyRoute } from './admin/revoke-key.ts';
import { identifyCallers } from './caller.ts';
import { answerCrossOrigin } from './cross-origin.ts';
import type { ApiDependencies } from './dependencies.ts';
import { answerErrors } from './error-answers.ts';
import { contentRoute } from './files/content.ts';
import { deleteFileRoute } from './files/delete.ts';
import { listFilesRoute } from './files/list.ts';
import { retrieveFileRoute } from './files/retrieve.ts';
import { signedUrlRoute } from './files/signed-url.ts';
import { uploadRoute } from './files/upload.ts';
import { forwardRoutes } from './gateway/forward-call.ts';
import { listModelsRoute } from './gateway/list-models.ts';
import { cancelJobRoute } from './mistral/cancel-job.ts';
import { createJobRoute } from './mistral/create-job.ts';
import { deleteJobRoute } from './mistral/delete-job.ts';
import { getJobRoute } from './mistral/get-job.ts';
import { jobResultsRoute } from './mistral/job-results.ts';
import { listJobsRoute } from './mistral/list-jobs.ts';
import { batchResultsRoute } from './openai/batch-results.ts';
import { cancelBatchRoute } from './openai/cancel-batch.ts';
import { createBatchRoute } from './openai/create-batch.ts';
import { getBatchRoute } from './openai/get-batch.ts';
import { listBatchesRoute } from './openai/list-batches.ts';
import { addPartRoute } from './uploads/add-part.ts';
import { cancelUploadRoute } from './uploads/cancel-upload.ts';
import { completeUploadRoute } from './uploads/complete-upload.ts';
import { createUploadRoute } from './uploads/create-upload.ts';
import { mergeCrumbs } from './merge-crumbs.ts';
import { observeCalls } from './observe-calls.ts';
import { limitSlowClients } from './slow-clients.ts';
import { referenceRoutes } from './reference/openapi-document.ts';
import { stampAnswers } from './stamp-answers.ts';
import { refuseBorrowedNames } from './known-host.ts';
import { requestIdOf, meantPath } from './transport.ts';
import { answerUnreadable, answerUnreadablePath } from './unreadable-calls.ts';
import { endConnectionsAtClose } from './connections-at-close.ts';

/** The HTTP edge. Nothing listens yet: `listen` on what it returns, or `inject` into it. */
export function createApi(deps: ApiDependencies): FastifyInstance {
  const app = fastify({
    genReqId: requestIdOf,
    // Every buffer on the way of a body holds as much, and a chunk of 64 KiB more.
    http: { highWaterMark: 16 * 1024 },
    clientErrorHandler: answerUnreadable,
    frameworkErrors: answerUnreadablePath,
    rewriteUrl: (request) => meantPath(request.url ?? '/'),
    // A call that is under way when Bora stops gets its answer; new ones find the port closed.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
  });

  // Each route reads its body itself, as a stream: a body is as large as a file, and nothing may hold it whole.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  app.server.prependListener('request', mergeCrumbs);
  endConnectionsAtClose(app);
  limitSlowClients(app, deps);
  stampAnswers(app);
  observeCalls(app, deps);
  answerErrors(app, deps);
  refuseBorrowedNames(app, deps);
  answerCrossOrigin(app, deps);
  identifyCallers(app, deps);

  uploadRoute(app, deps);
  listFilesRoute(app, deps);
  retrieveFileRoute(app, deps);
  deleteFileRoute(app, deps);
  contentRoute(app, deps);
  signedUrlRoute(app, deps);

  createJobRoute(app, deps);
  listJobsRoute(app, deps);
  getJobRoute(app, deps);
  jobResultsRoute(app, deps);
  cancelJobRoute(app, deps);
  deleteJobRoute(app, deps);

  createBatchRoute(app, deps);
  listBatchesRoute(app, deps);
  getBatchRoute(app, deps);
  batchResultsRoute(app, deps);
  cancelBatchRoute(app, deps);

  createUploadRoute(app, deps);
  addPartRoute(app, deps);
  completeUploadRoute(app, deps);
  cancelUploadRoute(app, deps);

  forwardRoutes(app, deps);
  listModelsRoute(app, deps);

  createKeyRoute(app, deps);
  listKeysRoute(app, deps);
  revokeKeyRoute(app, deps);
  createWorkspaceRoute(app, deps);
  listWorkspacesRoute(app, deps);
  getWorkspaceRoute(app, deps);
  changeWorkspaceRoute(app, deps);
  readAuditRoute(app, deps);
  listUpstreamsRoute(app, deps);
  pauseUpstreamRoute(app, deps);
  resumeUpstreamRoute(app, deps);

  referenceRoutes(app, deps.version);
  healthRoute(app);
  readyRoute(app, deps);
  metricsRoute(app, deps);
  return app;
}
