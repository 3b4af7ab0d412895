import { join } from 'node:path';
import type { Benchmark, Setup } from '../benchmark.ts';
import { mainThreadCpuMs, treeCpuMs } from '../cpu.ts';
import { runBareLoop, startServe, startStub } from '../processes.ts';
import { writeChatFile } from '../request-file.ts';
import { makeScratchFolder } from '../scratch-folder.ts';
import { createJob, downloadResults } from '../whole-batch.ts';

const CONCURRENCIES = [32, 64, 128, 256];
/** Beyond this the stub would be measured as well. */
const STUB_LIMIT_PERCENT = 70;

interface Pass {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly stubPercent: number;
}

/**
 * What durability costs. Bora, a real `bora serve`, from create to the last byte of the results; and, by turns, the bare loop at
 * the concurrency that is its best here, over the same file against the same stub, which answers at once so that nothing
 * but the client is measured. Both start cold. Upload is not in it; see upload.ts.
 *
 * The limits: keeping every answer through a power cut may cost at most 40 % of the rate of keeping nothing, and 60 %
 * more processor time, database thread and all.
 */
export const throughput: Benchmark<
  'rate' | 'cpu' | 'bareRate' | 'boraRate' | 'bareCpu' | 'boraCpu' | 'boraMainCpu' | 'stub'
> = {
  name: 'throughput',
  question: 'What does durability cost, next to a loop that keeps nothing?',
  configuration: (setup) =>
    `${requestsOf(setup)} requests of 1 KB, answers of 1.2 KB at once, loop at its best of ${CONCURRENCIES.join(', ')} in flight, Bora at the same`,
  figures: {
    rate: { label: 'rate, Bora ÷ bare loop', unit: '', limit: { atLeast: 0.6 } },
    cpu: { label: 'CPU per request, Bora ÷ bare loop', unit: '', limit: { atMost: 1.6 } },
    bareRate: { label: 'rate of the bare loop', unit: '/s' },
    boraRate: { label: 'rate of Bora', unit: '/s' },
    bareCpu: { label: 'CPU per request of the bare loop', unit: 'µs' },
    boraCpu: { label: 'CPU per request of Bora, whole process tree', unit: 'µs' },
    boraMainCpu: { label: 'of it, on its main thread', unit: 'µs' },
    stub: { label: "stub's share of its core, the larger", unit: '%', limit: { atMost: STUB_LIMIT_PERCENT } },
  },
  async *measure(setup) {
    const file = join(setup.folder, 'requests.jsonl');
    await writeChatFile(file, requestsOf(setup));
    await using stub = await startStub(0);
    const upstream = `http://127.0.0.1:${stub.firstLine}`;

    let best = { concurrency: 0, perSecond: 0 };
    for (const concurrency of CONCURRENCIES) {
      const { perSecond } = await passOfBareLoop(upstream, file, concurrency);
      setup.say(`bare loop, ${concurrency} in flight: ${perSecond.toFixed(0)}/s`);
      if (perSecond > best.perSecond) best = { concurrency, perSecond };
    }
    for (let run = 0; run < setup.runs; run++) {
      const bare = await passOfBareLoop(upstream, file, best.concurrency);
      const bora = await passOfBora(setup, upstream, file, best.concurrency);
      yield {
        rate: bora.perSecond / bare.perSecond,
        cpu: bora.cpuMicros / bare.cpuMicros,
        bareRate: bare.perSecond,
        boraRate: bora.perSecond,
        bareCpu: bare.cpuMicros,
        boraCpu: bora.cpuMicros,
        boraMainCpu: bora.mainMicros,
        stub: Math.max(bare.stubPercent, bora.stubPercent),
      };
    }
  },
};

function requestsOf({ isQuick }: Setup): number {
  // What V8 compiles once per start, 0.4 s of processor time, is 4 µs a request in 100,000 and 1 in 400,000.
  return isQuick ? 10_000 : 400_000;
}

async function passOfBareLoop(upstream: string, file: string, concurrency: number): Promise<Pass> {
  const before = await stubStats(upstream);
  const { requests, seconds, cpuMs } = await runBareLoop(upstream, file, concurrency);
  const stubMs = (await stubStats(upstream)).cpuMs - before.cpuMs;
  return {
    perSecond: requests / seconds,
    cpuMicros: (cpuMs * 1000) / requests,
    stubPercent: stubMs / seconds / 10,
  };
}

async function passOfBora(
  setup: Setup,
  upstream: string,
  file: string,
  maxInFlight: number,
): Promise<Pass & { mainMicros: number }> {
  await using data = await makeScratchFolder(setup.folder);
  await using bora = await startServe({ data: data.path, upstream, maxInFlight });
  const { pid } = bora.started;
  const uploaded = await bora.client.files.upload({ path: file });
  const requests = requestsOf(setup);

  const before = { ...(await stubStats(upstream)), cpu: treeCpuMs(pid), main: mainThreadCpuMs(pid) };
  const begin = performance.now();
  await downloadResults(bora.client, await createJob(bora.client, uploaded.id, 'stub'));
  const seconds = (performance.now() - begin) / 1000;
  const cpuMs = treeCpuMs(pid) - before.cpu;
  const mainMs = mainThreadCpuMs(pid) - before.main;
  const stubMs = (await stubStats(upstream)).cpuMs - before.cpuMs;
  return {
    perSecond: requests / seconds,
    cpuMicros: (cpuMs * 1000) / requests,
    mainMicros: (mainMs * 1000) / requests,
    stubPercent: stubMs / seconds / 10,
  };
}

async function stubStats(upstream: string): Promise<{ cpuMs: number }> {
  const response = await fetch(`${upstream}/stats`);
  return (await response.json()) as { cpuMs: number };
}
