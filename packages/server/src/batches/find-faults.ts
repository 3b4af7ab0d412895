import { hash } from 'node:crypto';
import { LineSplitter } from '../bytes/line-splitter.ts';
import { tooLongLine } from '../bytes/bad-line.ts';
import { parseRequestLine } from '../bytes/request-line.ts';
import type { ParsedLine } from '../bytes/request-line.ts';
import { readFileRange } from '../files/content.ts';
import type { ContentDependencies } from '../files/content.ts';
import { idKeyOf, RepeatedIds } from '../files/repeated-ids.ts';
import type { InputFault, InputFaults } from '../storage/ports/batch-records.ts';
import type { PlanInput } from '../storage/ports/plan-and-finalise.ts';
import { faultOf, isFaultless, membersAsked, shortened } from './lines/request-rules.ts';
import type { RequestRules } from './lines/request-rules.ts';
import type { Budget } from './budget.ts';

const FAULTS_KEPT = 100;
/**
 * Ids that are looked at one by one, because the filter has seen them before; 25 MiB with their texts. A file with more of them has
 * that many repeated ids in truth, or more lines than the filters can tell apart (some 20 million); those beyond are not counted.
 */
const SUSPECTS_KEPT = 250_000;
/** Of longer ones the SHA-256 is kept, which is as long. */
const LONGEST_ID_KEPT = 64;

export interface FaultSearch {
  readonly rules: RequestRules;
  /** Most requests of a batch; null = no limit. */
  readonly maxRequests: number | null;
  readonly maxLineBytes: number;
  /** A place of it is held while files are read, of which each may take 90 MiB: what tells ids apart, and the suspects. */
  readonly reading: Budget;
}

/**
 * What is wrong with the input of a batch, or null. A file that its line index finds faultless is not read. Another is read once, and
 * again if some of its ids may come twice, line by line in constant memory.
 */
export async function findFaults(
  deps: ContentDependencies,
  { inputs, isLenient }: Pick<PlanInput, 'inputs' | 'isLenient'>,
  search: FaultSearch,
  signal?: AbortSignal,
): Promise<InputFaults | null> {
  const { rules, maxRequests } = search;
  const found = new FoundFaults();
  // Each index tells of its own file alone: whether an id or another model comes in a second one, only the lines can tell.
  const isSettled = inputs.every(
    ({ lineIndex }) =>
      lineIndex !== null && (isLenient || (inputs.length === 1 && isFaultless(lineIndex, rules))),
  );
  // Bad lines of a lenient batch end as failed, one by one.
  const requests = isSettled
    ? inputs.reduce((sum, { lineIndex }) => sum + lineIndex!.requests, 0)
    : await searchLines(deps, inputs, search, isLenient ? new FoundFaults() : found, signal);
  if (requests === 0) found.add(wholeFault('empty', null));
  if (maxRequests !== null && requests > maxRequests) {
    found.add(wholeFault('too-many', `${requests} requests, more than ${maxRequests}`));
  }
  return found.count === 0 ? null : found;
}

class FoundFaults implements InputFaults {
  count = 0;
  first: InputFault[] = [];

  add(fault: InputFault): void {
    this.count += 1;
    if (this.first.length < FAULTS_KEPT) this.first.push(fault);
  }
}

type Inputs = PlanInput['inputs'];

/** Adds the faults of the lines and answers how many requests there are. */
async function searchLines(
  deps: ContentDependencies,
  inputs: Inputs,
  search: FaultSearch,
  found: FoundFaults,
  signal?: AbortSignal,
): Promise<number> {
  using _place = await search.reading.take(1);
  signal?.throwIfAborted();
  const ids = new RepeatedIds();
  const suspects = new Set<number>();
  const counted = new FoundFaults();
  const requests = await readLines(deps, inputs, search, signal, (place, faulty, id) => {
    if (faulty !== null) counted.add({ ...faulty, ...place });
    else if (ids.add(id) && suspects.size < SUSPECTS_KEPT) suspects.add(idKeyOf(id));
  });
  // The hashes have collisions, and say of a repeated id only where it comes again: what they suspect is compared.
  const settled = suspects.size === 0 ? counted : new FoundFaults();
  if (settled !== counted) {
    const seen = new Set<string>();
    await readLines(deps, inputs, search, signal, (place, faulty, id) => {
      if (faulty !== null) return settled.add({ ...faulty, ...place });
      if (!suspects.has(idKeyOf(id))) return;
      const name = id.length > LONGEST_ID_KEPT ? hash('sha256', id) : id;
      if (seen.has(name)) {
        settled.add({ kind: 'repeated-id', ...place, member: 'custom_id', found: shortened(id) });
      }
      seen.add(name);
    });
  }
  found.count += settled.count;
  found.first.push(...settled.first.slice(0, FAULTS_KEPT - found.first.length));
  return requests;
}

type Place = Pick<InputFault, 'line' | 'fileId'>;
type Faulty = Omit<InputFault, keyof Place> | null;

/** Calls `visit` for each line that is not blank, in order; its id is given where nothing is wrong. Answers how many there are. */
async function readLines(
  deps: ContentDependencies,
  inputs: Inputs,
  { rules, maxLineBytes }: FaultSearch,
  signal: AbortSignal | undefined,
  visit: (place: Place, faulty: Faulty, id: string) => void,
): Promise<number> {
  const asked = membersAsked(rules);
  let requests = 0;
  let model: string | null = null;
  const take = (lines: ReturnType<LineSplitter['push']>, file: Pick<InputFault, 'fileId'>): void => {
    for (const { content, number, isBlank } of lines) {
      if (isBlank) continue;
      requests += 1;
      const parsed = content === null ? tooLongLine(maxLineBytes) : parseRequestLine(content, asked);
      let faulty: Faulty = faultOf(parsed, rules);
      if (parsed.kind === 'parsed' && faulty === null) {
        model ??= parsed.bodyModel;
        if (rules.mixedModels === 'refuse' && parsed.bodyModel !== model) {
          faulty = { kind: 'other-model', member: 'body.model', found: parsed.bodyModel };
        }
      }
      const id = faulty === null ? ((parsed as ParsedLine).customId as string) : '';
      visit({ line: number, ...file }, faulty, id);
    }
  };
  for (const { fileId, bytes } of inputs) {
    const file = inputs.length === 1 ? {} : { fileId };
    const splitter = new LineSplitter({ maxLineBytes });
    for await (const chunk of readFileRange(deps, fileId, 0, bytes, signal)) take(splitter.push(chunk), file);
    take(splitter.finish(), file);
  }
  return requests;
}

function wholeFault(kind: 'empty' | 'too-many', found: string | null): InputFault {
  return { kind, line: null, member: null, found };
}
