import { createInterface } from 'node:readline';
import { Bora } from '@bora/server';
import { createLog } from '@bora/server/observe/log';
import { systemClock } from '@bora/server/observe/clock';
import type { Disk } from '@bora/server/storage/ports/disk';
import { skipFileSync, skipFolderSync, skipLaterFileSyncs } from '../defects/disk-defects.ts';
import { openVolatileDisk } from '../volatile-disk.ts';
import {
  CHILD_FOLD_BYTES,
  CHILD_JOURNAL_DELAY_MS,
  CHILD_MAX_UNJOURNALED,
  CHILD_WINDOW,
  type CrashPlan,
  type DiskDefect,
  type PlantedDefect,
} from './crash-plan.ts';
import { openTrace } from './stop-point-trace.ts';

const DISK_DEFECTS: Record<DiskDefect, (disk: Disk) => Disk> = {
  'skip-file-sync': skipFileSync,
  // The first object is the upload; the scenario's results are small enough for the database, so the rest are folds.
  'skip-fold-sync': skipLaterFileSyncs,
  'skip-folder-sync': skipFolderSync,
};

/**
 * A real Bora in a process that dies where its plan says. Its blobs lie on a disk that keeps unsynced bytes and names in
 * this process, so SIGKILL loses exactly what a power cut would; SQLite writes and syncs its own files for real.
 */
const plan = JSON.parse(process.env['BORA_CRASH_PLAN'] ?? '') as CrashPlan;
let aheadMs = plan.clockAheadMs;
let hits = 0;
const trace = plan.trace === undefined ? null : openTrace(plan.trace);

const inTransaction = plan.kill?.point === 'journal.in-transaction';
const bora = await Bora.fromEnv(
  {
    env: {
      BORA_DATA: plan.data,
      BORA_UPSTREAM: plan.upstream,
      BORA_UPSTREAM_MAX_IN_FLIGHT: String(CHILD_WINDOW),
      BORA_PORT: '0',
      ...(plan.config === undefined ? {} : { BORA_CONFIG: plan.config }),
    },
  },
  {
    log: createLog('silent'),
    clock: { ...systemClock, now: () => Date.now() + aheadMs },
    dispatch: {
      maxUnjournaled: CHILD_MAX_UNJOURNALED,
      journalDelayMs: CHILD_JOURNAL_DELAY_MS,
      foldBytes: CHILD_FOLD_BYTES,
      stopGraceMs: 50,
    },
    disk: async (disk) => {
      const volatile = await openVolatileDisk(disk);
      return isDiskDefect(plan.defect) ? DISK_DEFECTS[plan.defect](volatile) : volatile;
    },
    sqlite: {
      ...(inTransaction && plan.kill !== null ? { killInJournalTransaction: plan.kill.hit } : {}),
      ...storeVariant(),
    },
    reachStopPoint(point) {
      trace?.(point);
      if (point !== plan.kill?.point) return;
      hits += 1;
      if (hits === plan.kill.hit) process.kill(process.pid, 'SIGKILL');
    },
  },
);
await bora.start();
console.log(bora.url);

// A terminal sends Ctrl-C to all; this one dies when whoever started it says so, or is gone.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => {});
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [command, ms] = line.split(' ');
    if (command === 'advance') aheadMs += Number(ms);
  })
  // Whoever started it is gone, and would leave it running on the folder.
  .on('close', () => process.kill(process.pid, 'SIGKILL'));

function isDiskDefect(defect: PlantedDefect | null): defect is DiskDefect {
  return defect !== null && defect in DISK_DEFECTS;
}

function storeVariant(): { storeVariant?: URL } {
  if (plan.defect !== null && !isDiskDefect(plan.defect)) {
    return { storeVariant: new URL(`../defects/${plan.defect}.ts`, import.meta.url) };
  }
  return trace === null ? {} : { storeVariant: new URL('./trace-journal.ts', import.meta.url) };
}
