import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ChatUpstream extends AsyncDisposable {
  readonly url: string;
  /** How often each prompt was sent. */
  readonly sent: ReadonlyMap<string, number>;
  /** Resolves once so many requests came in. */
  cameIn(count: number): Promise<void>;
  /** Answers what is held and everything from now on. */
  release(): void;
}

/**
 * A server with one model `m` that echoes prompts. It answers the first `answers` requests and holds the others until released; the
 * prompt `bad` is refused with 400.
 */
export async function chatUpstream(answers = Infinity): Promise<ChatUpstream> {
  const sent = new Map<string, number>();
  const held: (() => void)[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  let open = answers;
  let arrived = 0;

  const server = createServer((request, response) => {
    if (request.url === '/v1/models') return answer(response, 200, { data: [{ id: 'm' }] });
    void request.toArray().then((chunks: Buffer[]) => {
      const { messages } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
        messages: { content: string }[];
      };
      const prompt = messages[0].content;
      sent.set(prompt, (sent.get(prompt) ?? 0) + 1);
      const respond = (): void => answerChat(response, prompt);
      if (open > 0) {
        open -= 1;
        respond();
      } else held.push(respond);
      arrived += 1;
      for (const { count, resolve } of waiting) if (arrived >= count) resolve();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent,
    cameIn: (count) =>
      arrived >= count
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting.push({ count, resolve });
          }),
    release() {
      open = Infinity;
      for (const respond of held.splice(0)) respond();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answerChat(response: ServerResponse, prompt: string): void {
  if (prompt === 'bad')
    return answer(response, 400, { object: 'error', message: 'no', type: 'x', param: null, code: null });
  answer(response, 200, {
    id: 'c',
    object: 'chat.completion',
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: prompt } }],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  });
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
