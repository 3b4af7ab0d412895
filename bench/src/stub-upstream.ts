import { createServer } from 'node:http';

/**
 * The cheapest upstream that still speaks HTTP: it reads the request, waits, and sends one prepared answer. Everything
 * measured against it is then the client's cost. It counts nothing but what the benchmarks print: its own CPU time.
 *
 * Runs as a process of its own: `node stub-upstream.ts <latency ms>`; prints its port.
 */
const latencyMs = Number(process.argv[2] ?? '0');

const ANSWER = Buffer.from(
  JSON.stringify({
    id: 'cmpl-0123456789abcdef',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'stub',
    choices: [
      {
        index: 0,
        finish_reason: 'stop',
        message: { role: 'assistant', content: 'The bora blows in gusts. '.repeat(36), tool_calls: null },
      },
    ],
    usage: { prompt_tokens: 210, completion_tokens: 240, total_tokens: 450 },
  }),
);
const HEADERS = { 'content-type': 'application/json', 'content-length': ANSWER.length };
const MODELS = JSON.stringify({ object: 'list', data: [{ id: 'stub', object: 'model' }] });

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    const body = request.url === '/stats' ? JSON.stringify(stats()) : MODELS;
    response.setHeader('content-type', 'application/json').end(body);
    return;
  }
  request.resume();
  request.once('end', () => {
    if (latencyMs === 0) response.writeHead(200, HEADERS).end(ANSWER);
    else waitThen(() => response.writeHead(200, HEADERS).end(ANSWER));
  });
});

/** One timer for all answers due in the same millisecond; a timer each would be a third of the stub's work. */
const due = new Map<number, (() => void)[]>();
function waitThen(answer: () => void): void {
  const at = Math.ceil(performance.now() + latencyMs);
  const others = due.get(at);
  if (others !== undefined) {
    others.push(answer);
    return;
  }
  due.set(at, [answer]);
  setTimeout(() => {
    const answers = due.get(at) ?? [];
    due.delete(at);
    for (const each of answers) each();
  }, at - performance.now());
}

function stats(): { cpuMs: number; elapsedMs: number } {
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1000, elapsedMs: performance.now() };
}

server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(address.port);
});
