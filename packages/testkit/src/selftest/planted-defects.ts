import type { Kill, PlantedDefect } from '../crash/crash-plan.ts';
import { runCrashScenario } from '../crash/scenario.ts';
import { runDefectiveContract } from './run-contract.ts';

/** A defect, and the test that must not pass over it. */
export interface SelfTest {
  readonly defect: string;
  /** What it breaks, in the numbers of docs/02-guarantees.md. */
  readonly guarantee: number;
  readonly detector: 'crash harness' | 'database contract';
  /** Answers what the detector said; nothing: it noticed nothing. */
  readonly detect: () => Promise<readonly string[]>;
  /** What it must have said: a detector that fails for another reason has not found the defect. */
  readonly says: RegExp;
}

function byCrash(guarantee: number, defect: PlantedDefect, kill: Kill, says: RegExp): SelfTest {
  const detect = async () => (await runCrashScenario({ kills: [kill], defect })).violations;
  return { defect, guarantee, detector: 'crash harness', detect, says };
}

function byContract(guarantee: number, defect: string, says: RegExp): SelfTest {
  return {
    defect,
    guarantee,
    detector: 'database contract',
    detect: () => runDefectiveContract(defect),
    says,
  };
}

export const SELF_TESTS: readonly SelfTest[] = [
  byCrash(1, 'skip-file-sync', { point: 'claim.committed', hit: 1 }, /damaged \(blob-short\): file/),
  byCrash(1, 'skip-folder-sync', { point: 'claim.committed', hit: 1 }, /damaged \(blob-missing\): file/),
  byCrash(
    1,
    'acknowledge-before-commit',
    { point: 'dispatch.answered', hit: 60 },
    /was acknowledged and is gone/,
  ),
  byCrash(
    1,
    'count-before-journal',
    { point: 'journal.in-transaction', hit: 4 },
    /counts \d+ requests and holds \d+ outcomes/,
  ),
  byCrash(
    3,
    'skip-fold-sync',
    { point: 'fold.committed', hit: 1 },
    /counts \d+ requests and holds \d+ outcomes/,
  ),
  byCrash(5, 'forget-hold', { point: 'claim.committed', hit: 1 }, /shards remain by its count/),
  byContract(3, 'skip-epoch-check', /under an earlier lease/),
  byContract(3, 'read-then-write', /while its shard passes on/),
  byContract(2, 'count-repeated-commit', /repeat|twice|again/),
];

/** The detectors over a Bora without a defect: they must be silent. */
export const CONTROLS: readonly Pick<SelfTest, 'detector' | 'detect'>[] = [
  {
    detector: 'crash harness',
    detect: async () =>
      (await runCrashScenario({ kills: [{ point: 'claim.committed', hit: 1 }], defect: null })).violations,
  },
  { detector: 'database contract', detect: () => runDefectiveContract(null) },
];
