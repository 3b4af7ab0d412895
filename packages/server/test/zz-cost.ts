import { Pool } from 'undici';
import { systemClock } from '../src/observe/clock.ts';
import { registryOf, requestOf, acquire } from './scripted-upstream.ts';
const url = `http://127.0.0.1:${process.argv[2]}`;
const body = Buffer.from(JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(1100) }] }));
const N = 20000, C = 64;
async function drive(one: () => Promise<unknown>, n: number) { let left = n; await Promise.all(Array.from({ length: C }, async () => { while (left-- > 0) await one(); })); }
async function measure(name: string, one: () => Promise<unknown>) {
  await drive(one, 5000);
  const t = process.cpuUsage(), w = performance.now(); await drive(one, N); const u = process.cpuUsage(t);
  console.log(name.padEnd(22), ((u.user + u.system) / N).toFixed(1), 'µs CPU', (N / (performance.now() - w) * 1000).toFixed(0), '/s');
}
const pool = new Pool(url, { connections: C, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
const headers = { 'content-type': 'application/json' };
const flat = ['content-type', 'application/json'];
await using upstreams = registryOf([{ name: 'u', url }], systemClock as never);
await upstreams.start();
const request = requestOf(body);
for (let round = 0; round < 5; round++) {
  await measure('Pool.request', async () => { const r = await pool.request({ path: '/v1/chat/completions', method: 'POST', headers, body }); JSON.parse(Buffer.from(await r.body.arrayBuffer()).toString()); });
  await measure('Pool.dispatch', () => new Promise<void>((resolve, reject) => { const chunks: Buffer[] = []; pool.dispatch({ path: '/v1/chat/completions', method: 'POST', headers: flat, body }, { onRequestStart() {}, onResponseStart() {}, onResponseData(_, c) { chunks.push(c); }, onResponseEnd() { JSON.parse(chunks[0].toString()); resolve(); }, onResponseError(_, e) { reject(e); } }); }));
  await measure('Slot.send', () => acquire(upstreams).send(request));
  const ac = new AbortController();
  await measure('Slot.send with signal', () => acquire(upstreams).send(request, ac.signal));
}
process.exit(0);
