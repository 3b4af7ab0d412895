import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BatchJob } from '@bora/protocol/mistral-jobs';

export const JOB_ID = '11111111-1111-4111-8111-111111111111';

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  /** Bodies of the create calls. */
  readonly created: unknown[];
}

/**
 * A server that knows one job, shows `looks` one after the other (the last again and again) and serves two result files, as files and as what
 * is there of them.
 */
export async function scriptedServer(
  looks: readonly Partial<BatchJob>[],
  files: { output: string; error: string } = { output: '', error: '' },
): Promise<ScriptedServer> {
  const created: unknown[] = [];
  let at = 0;
  const server = createServer((request, response) => {
    void (async () => {
      const body = Buffer.concat(await request.toArray()).toString('utf8');
      const path = request.url?.split('?')[0];
      response.setHeader('content-type', 'application/json');
      if (request.method === 'POST' && path === '/v1/files') response.end('{"id":"input"}');
      else if (request.method === 'POST' && path === '/v1/batch/jobs') {
        created.push(JSON.parse(body));
        response.end(JSON.stringify(jobAs({})));
      } else if (path === `/v1/batch/jobs/${JOB_ID}`) {
        response.end(JSON.stringify(jobAs(looks[Math.min(at++, looks.length - 1)])));
      } else if (path === `/v1/batch/jobs/${JOB_ID}/results`) {
        response.end(request.url?.endsWith('kind=error') ? files.error : files.output);
      } else if (path === '/v1/files/output/content') response.end(files.output);
      else if (path === '/v1/files/error/content') response.end(files.error);
      else response.writeHead(404).end('{"detail":"No batch job matches the given query."}');
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    created,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function jobAs(overrides: Partial<BatchJob>): BatchJob {
  return {
    id: JOB_ID,
    object: 'batch',
    input_files: [],
    metadata: null,
    endpoint: '/v1/chat/completions',
    model: 'm',
    agent_id: null,
    output_file: null,
    error_file: null,
    errors: [],
    outputs: null,
    status: 'QUEUED',
    created_at: 1_700_000_000,
    total_requests: 3,
    completed_requests: 0,
    succeeded_requests: 0,
    failed_requests: 0,
    started_at: null,
    completed_at: null,
    ...overrides,
  };
}
