import type { StoreVariant } from '@bora/server/storage/sqlite/store-context';
import type { CrashPlan } from './crash-plan.ts';
import { openTrace } from './stop-point-trace.ts';

const { trace } = JSON.parse(process.env['BORA_CRASH_PLAN'] ?? '') as CrashPlan;
const passed = openTrace(trace ?? '');

/** No defect: says when a journal transaction is under way, which only the thread of the database knows. */
export const storeVariant: StoreVariant = (_context, methods) => ({
  appendJournal(session, rows) {
    passed('journal.in-transaction');
    return methods.appendJournal(session, rows);
  },
});
