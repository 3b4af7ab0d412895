import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Pool } from 'undici';

/**
 * What anybody would write first, and the limit that durable Bora is held against: read the file, keep `concurrency` requests
 * in flight over one undici pool, drop the answers. It keeps nothing and survives nothing.
 *
 * Runs as a process of its own: `node bare-loop.ts <url> <file> <concurrency>`; prints `{requests, seconds, cpuMs}`.
 */
const [url = '', file = '', concurrency = '64'] = process.argv.slice(2);
const limit = Number(concurrency);
const pool = new Pool(url, { connections: limit, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });

const started = performance.now();
const cpuBefore = process.cpuUsage();
const lines = createInterface({ input: createReadStream(file, { highWaterMark: 1024 * 1024 }) })[
  Symbol.asyncIterator
]();
let requests = 0;

async function work(): Promise<void> {
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const { body } = JSON.parse(line.value) as { body: object };
    const answer = await pool.request({
      path: '/v1/chat/completions',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, model: 'stub' }),
    });
    await answer.body.arrayBuffer();
    requests += 1;
  }
}
await Promise.all(Array.from({ length: limit }, work));

const { user, system } = process.cpuUsage(cpuBefore);
console.log(
  JSON.stringify({ requests, seconds: (performance.now() - started) / 1000, cpuMs: (user + system) / 1000 }),
);
await pool.close();
