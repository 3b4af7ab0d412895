import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What an upstream was asked. */
export interface ScriptedRequest {
  /** For example `/v1/chat/completions`. */
  readonly endpoint: string;
  /** Empty if it came as something else than JSON. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The body as it came. */
  readonly text: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers: IncomingHttpHeaders;
}

export interface ScriptedAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly body: unknown;
}

export interface ScriptedUpstream extends AsyncDisposable {
  readonly url: string;
  /** Every request so far, in the order in which they came. */
  readonly requests: readonly ScriptedRequest[];
  /** Resolves once that many requests came. */
  received(count: number): Promise<void>;
}

/**
 * An inference server whose every answer a test decides, at the moment it decides: `answer` may wait for what the test does next.
 * Where plausible answers and load are wanted instead, use the simulator.
 */
export async function startScriptedUpstream(
  models: readonly string[],
  answer: (request: ScriptedRequest) => ScriptedAnswer | Promise<ScriptedAnswer>,
): Promise<ScriptedUpstream> {
  const requests: ScriptedRequest[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  async function respond(call: IncomingMessage): Promise<ScriptedAnswer> {
    const endpoint = call.url ?? '';
    if (endpoint === '/v1/models')
      return { body: { object: 'list', data: models.map((id) => ({ id, object: 'model' })) } };
    const { headers } = call;
    const bytes = await bytesOf(call);
    const text = bytes.toString();
    const isJson = headers['content-type'] === 'application/json';
    const body = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
    const request = { endpoint, body, text, bytes, headers };
    requests.push(request);
    for (const { count, resolve } of waiting) if (requests.length >= count) resolve();
    return answer(request);
  }

  const server = createServer((call, reply) => {
    respond(call).then(
      ({ status = 200, body }) => {
        reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      },
      () => reply.destroy(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    received: (count) =>
      new Promise((resolve) => {
        if (requests.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** A chat completion that says `content`. */
export function chatAnswer(model: string, content: string): ScriptedAnswer {
  return {
    body: {
      id: 'cmpl',
      object: 'chat.completion',
      created: 0,
      model,
      choices: [
        { index: 0, finish_reason: 'stop', message: { role: 'assistant', content, tool_calls: null } },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    },
  };
}

async function bytesOf(call: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  for await (const chunk of call as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
