import { closeSync, fsyncSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Benchmark, Setup } from '../benchmark.ts';
import { treeCpuMs } from '../cpu.ts';
import { startServe, startStub } from '../processes.ts';
import { writeChatFile } from '../request-file.ts';
import { makeScratchFolder } from '../scratch-folder.ts';

const CHUNK_BYTES = 1024 * 1024;
const LF = 0x0a;

/**
 * What an upload costs over what cannot be saved. Bora receives a file over HTTP through its client, checks each line, makes the
 * line index and answers once it is durable. Against it, by turns, the two things that this must contain, each alone and in
 * process: writing the same bytes with an fsync, and splitting them into lines with a `JSON.parse` of each. The file lies
 * in the page cache for all three.
 *
 * The limit: 0.3 of the rate of the slower of the two. The client's own work is in it, on the same machine.
 */
export const upload: Benchmark<'rate' | 'upload' | 'write' | 'parse' | 'cpu' | 'clientCpu'> = {
  name: 'upload',
  question: 'What does an upload cost, next to writing and parsing the same bytes?',
  configuration: (setup) => `${linesOf(setup)} lines of 1 KB`,
  figures: {
    rate: { label: 'rate, upload ÷ the slower of writing and parsing', unit: '', limit: { atLeast: 0.3 } },
    upload: { label: 'upload, checked, indexed and durable', unit: 'MB/s' },
    write: { label: 'write and fsync', unit: 'MB/s' },
    parse: { label: 'split and parse', unit: 'MB/s' },
    cpu: { label: 'CPU of Bora per MB', unit: 'ms' },
    clientCpu: { label: 'CPU of the client per MB', unit: 'ms' },
  },
  async *measure(setup) {
    const file = join(setup.folder, 'requests.jsonl');
    await writeChatFile(file, linesOf(setup));
    const megabytes = statSync(file).size / 1_000_000;
    await using stub = await startStub(0);
    for (let run = 0; run < setup.runs; run++) {
      const write = megabytes / secondsOf(() => writeDurably(file, join(setup.folder, 'copy')));
      await rm(join(setup.folder, 'copy'));
      const parse = megabytes / secondsOf(() => splitAndParse(file));
      const { seconds, cpuMs, clientCpuMs } = await uploadOnce(setup, file, stub.firstLine);
      yield {
        rate: megabytes / seconds / Math.min(write, parse),
        upload: megabytes / seconds,
        write,
        parse,
        cpu: cpuMs / megabytes,
        clientCpu: clientCpuMs / megabytes,
      };
    }
  },
};

async function uploadOnce(
  setup: Setup,
  file: string,
  stubPort: string,
): Promise<{ seconds: number; cpuMs: number; clientCpuMs: number }> {
  await using data = await makeScratchFolder(setup.folder);
  const upstream = `http://127.0.0.1:${stubPort}`;
  await using bora = await startServe({ data: data.path, upstream, maxInFlight: 1 });
  const { pid } = bora.started;
  const cpuBefore = treeCpuMs(pid);
  const clientBefore = process.cpuUsage();
  const begin = performance.now();
  const { num_lines: lines } = await bora.client.files.upload({ path: file });
  const seconds = (performance.now() - begin) / 1000;
  if (lines !== linesOf(setup)) throw new Error(`The upload counted ${lines} lines.`);
  const { user, system } = process.cpuUsage(clientBefore);
  return { seconds, cpuMs: treeCpuMs(pid) - cpuBefore, clientCpuMs: (user + system) / 1000 };
}

function secondsOf(work: () => void): number {
  const begin = performance.now();
  work();
  return (performance.now() - begin) / 1000;
}

function writeDurably(file: string, copy: string): void {
  const descriptor = openSync(copy, 'w');
  for (const chunk of chunksOf(file)) writeSync(descriptor, chunk);
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** By bytes, as it must be done: a chunk may end inside a character. */
function splitAndParse(file: string): void {
  let rest: Buffer = Buffer.alloc(0);
  for (const chunk of chunksOf(file)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, from)) {
      JSON.parse(bytes.toString('utf8', from, at));
      from = at + 1;
    }
    rest = Buffer.from(bytes.subarray(from));
  }
  if (rest.length > 0) JSON.parse(rest.toString());
}

/** The same buffer again and again: use each chunk before the next. */
function* chunksOf(file: string): Generator<Buffer, void, undefined> {
  const descriptor = openSync(file, 'r');
  const buffer = Buffer.alloc(CHUNK_BYTES);
  for (let read = readSync(descriptor, buffer); read > 0; read = readSync(descriptor, buffer)) {
    yield buffer.subarray(0, read);
  }
  closeSync(descriptor);
}

function linesOf({ isQuick }: Setup): number {
  return isQuick ? 50_000 : 600_000;
}
