import type { StopPoint } from '@bora/server/observe/stop-points';

/** Defects that can be planted in a crashing Bora, to show that the harness would notice: those of its disk, and those of its stores. */
export type PlantedDefect = DiskDefect | StoreDefect;
export type DiskDefect = 'skip-file-sync' | 'skip-fold-sync' | 'skip-folder-sync';
/** Each a module of `defects/`. */
export type StoreDefect = 'count-before-journal' | 'acknowledge-before-commit' | 'forget-hold';

/** Death by SIGKILL: at the n-th time (from 1) that a process reaches this point. */
export interface Kill {
  readonly point: StopPoint;
  readonly hit: number;
}

/** What a child process of the harness is told, as JSON in `BORA_CRASH_PLAN`. */
export interface CrashPlan {
  readonly data: string;
  readonly upstream: string;
  /** Null: it lives. */
  readonly kill: Kill | null;
  readonly defect: PlantedDefect | null;
  /** How far its clock is ahead of the real one; `advance <ms>` on its standard input adds to it. */
  readonly clockAheadMs: number;
  /** Its `bora.yaml`; absent: it has none. */
  readonly config?: string;
  /** Where it leaves the name of each stop point as it passes it; absent: nowhere. */
  readonly trace?: string;
}

/** In flight, as the guarantee bounds it: the window plus the answers that may wait for the journal. */
export const CHILD_WINDOW = 24;
export const CHILD_MAX_UNJOURNALED = 32;
/** Small, so that shards of the scenario are folded while they are open: some of them, and not all of their rows. */
export const CHILD_FOLD_BYTES = 2_000;
/** Short, so that most answers are journaled before the last of their shard is there, which saves those that remain the stay. */
export const CHILD_JOURNAL_DELAY_MS = 5;
