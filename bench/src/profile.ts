import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { mainThreadCpuMs, otherThreadsCpuMs } from './cpu.ts';
import { startServe, startStub } from './processes.ts';
import { writeChatFile } from './request-file.ts';
import { makeScratchFolder } from './scratch-folder.ts';
import { createJob, downloadResults } from './whole-batch.ts';

/**
 * Where the time of the throughput benchmark goes: the same batch, with V8's sampling profiler on. Prints the processor time of
 * each thread, then each thread's profile: self time by function, in microseconds per request. The profiler itself makes all of
 * it some tenths slower; shares are what to read.
 *
 * `node bench/src/profile.ts [requests, default 200000] [in flight, default 64] [functions shown, default 40]`
 */
const [requests = 200_000, maxInFlight = 64, shown = 40] = process.argv.slice(2).map(Number);

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: CallFrame;
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

await using scratch = await makeScratchFolder(tmpdir());
const file = join(scratch.path, 'requests.jsonl');
await writeChatFile(file, requests);
await using stub = await startStub(0);
await using bora = await startServe({
  data: join(scratch.path, 'data'),
  upstream: `http://127.0.0.1:${stub.firstLine}`,
  maxInFlight,
  nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${join(scratch.path, 'profiles')}`],
});
const { pid } = bora.started;
const uploaded = await bora.client.files.upload({ path: file });
const mainBefore = mainThreadCpuMs(pid);
await downloadResults(bora.client, await createJob(bora.client, uploaded.id, 'stub'));
console.log(`CPU per request by thread, in µs; all but the first since the start:`);
console.log(`  ${perRequest((mainThreadCpuMs(pid) - mainBefore) * 1000)}  main`);
for (const { name, ms } of otherThreadsCpuMs(pid))
  if (ms > 0) console.log(`  ${perRequest(ms * 1000)}  ${name}`);
// Profiles are written by processes that end in order.
await bora.started.kill('SIGTERM');

const folder = join(scratch.path, 'profiles');
for (const name of readdirSync(folder))
  print(JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile);

function print(profile: CpuProfile): void {
  const owners = ownersOf(profile);
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  printTable('by file, with what it calls outside of Bora', profile, owners, 30);
  printTable('by function, self time', profile, names, shown);
}

function printTable(
  title: string,
  { samples, timeDeltas }: CpuProfile,
  labels: ReadonlyMap<number, string>,
  rows: number,
): void {
  const micros = new Map<string, number>();
  samples.forEach((id, place) => {
    const label = labels.get(id) ?? '';
    if (label !== '(idle)') micros.set(label, (micros.get(label) ?? 0) + timeDeltas[place]);
  });
  const total = micros.values().reduce((sum, spent) => sum + spent, 0);
  console.log(`\nTime per request ${title}, in µs; together ${perRequest(total)}:`);
  const sorted = [...micros].toSorted(([, a], [, b]) => b - a);
  for (const [label, spent] of sorted.slice(0, rows)) console.log(`  ${perRequest(spent)}  ${label}`);
}

/**
 * For each node, on whose behalf it runs: the file of Bora nearest up the stack, or else the package or `node` that the event loop
 * called.
 */
function ownersOf({ nodes }: CpuProfile): Map<number, string> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const owners = new Map<number, string>();
  const visit = (id: number, caller: string | null): void => {
    const node = byId.get(id);
    if (node === undefined) return;
    const { url, functionName } = node.callFrame;
    const own = /packages\/\w+\/src\/(.*)$/.exec(url)?.[1] ?? null;
    const library = /node_modules\/([^/]+)/.exec(url)?.[1] ?? (url.startsWith('node:') ? 'node' : null);
    const isOwned = caller !== null && caller !== 'node';
    const owner = own ?? (isOwned ? caller : (library ?? caller));
    owners.set(id, owner ?? functionName);
    for (const child of node.children ?? []) visit(child, owner);
  };
  visit(nodes[0].id, null);
  return owners;
}

function nameOf({ functionName, url, lineNumber }: CallFrame): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const place = url.startsWith('node:') ? url : (/node_modules\/(.*)$/.exec(url)?.[1] ?? basename(url));
  return `${name}  ${place}:${lineNumber + 1}`;
}

function perRequest(micros: number): string {
  return (micros / requests).toFixed(2).padStart(6);
}
