import type { BadLine, ValueKind } from '../../bytes/bad-line.ts';
import { kindOf } from '../../bytes/request-line.ts';
import type { ParsedLine } from '../../bytes/request-line.ts';
import { memberCountOf } from '../../files/line-index.ts';
import type { InputFault } from '../../storage/ports/batch-records.ts';
import type { LineIndexSummary } from '../../storage/ports/file-records.ts';

/** What OpenAI's dialect demands of each line of a batch. */
export interface RequestRules {
  /** Of the batch; each line's `url` must be it, or it without `/v1`, as Azure's clients write it. */
  readonly endpoint: string;
  /** Those that a batch may have. */
  readonly endpoints: readonly string[];
  /** One of these must be in `body` with another value than null; empty: none. */
  readonly required: readonly string[];
  /** Models that somebody serves; `any` if nobody can tell. */
  readonly models: readonly string[] | 'any';
  /** Whether lines may name different models. */
  readonly mixedModels: 'allow' | 'refuse';
}

/** A hundred faults are stored with their batch, and shown with each look at it. */
const SHOWN_LENGTH = 200;

type Fault = Omit<InputFault, 'line'>;

/** Members of `body` that whoever reads a line for `faultOf` must ask for. */
export function membersAsked({ required }: RequestRules): readonly string[] {
  return [...required, 'model'];
}

/** The first thing that is wrong with a line by itself; null if nothing is. */
export function faultOf(line: ParsedLine | BadLine, rules: RequestRules): Fault | null {
  if (line.kind === 'bad') return faultOfBadLine(line);
  return (
    faultOfText('custom_id', line.customId) ??
    faultOfText('method', line.method) ??
    faultOfText('url', line.url) ??
    (line.method === 'POST' ? null : fault('method', 'method', line.method as string)) ??
    faultOfUrl(line.url as string, rules) ??
    faultOfModel(line, rules) ??
    (line.streams ? fault('streams', 'body.stream', null) : null) ??
    (hasRequired(line.members, rules) ? null : fault('missing', `body.${rules.required[0]}`, null))
  );
}

/**
 * Whether the index of a file tells that no line has a fault, neither by itself nor beside the others. Where it does not, only the lines
 * can tell.
 */
export function isFaultless(index: LineIndexSummary, rules: RequestRules): boolean {
  const { requests, badLines, envelope, models, withoutModel, streamSeen } = index;
  if (envelope === undefined || badLines > 0 || withoutModel > 0 || streamSeen || models === null)
    return false;
  const { customIds, idsMayRepeat, methods, urls } = envelope;
  const names = Object.keys(models);
  return (
    customIds === requests &&
    !idsMayRepeat &&
    methods?.['POST'] === requests &&
    urls !== null &&
    sumOf(urls) === requests &&
    Object.keys(urls).every((url) => isUrlOf(url, rules)) &&
    (rules.required.length === 0 || memberCountOf(index, rules.required)?.count === requests) &&
    names.every((model) => isServed(model, rules)) &&
    (rules.mixedModels === 'allow' || names.length <= 1)
  );
}

function faultOfBadLine({ fault: what, shape }: BadLine): Fault {
  if (what === 'encoding') return fault('not-utf8', null, null);
  if (what === 'json') return fault('not-json', null, null);
  if (shape === undefined) return fault('too-long', null, null);
  const { of, found } = shape;
  if (of === 'line') return fault('not-object', null, found);
  return found === null || found === 'null' ? fault('missing', of, null) : fault('wrong-type', of, found);
}

function faultOfText(member: string, value: unknown): Fault | null {
  if (typeof value === 'string') return null;
  if (value === undefined || value === null) return fault('missing', member, null);
  const found: ValueKind = kindOf(value);
  return fault('wrong-type', member, found);
}

function faultOfUrl(url: string, rules: RequestRules): Fault | null {
  if (isUrlOf(url, rules)) return null;
  const isKnown = rules.endpoints.some((endpoint) => isUrlOf(url, { endpoint }));
  return fault(isKnown ? 'url' : 'unknown-url', 'url', url);
}

function faultOfModel({ bodyModel, members }: ParsedLine, rules: RequestRules): Fault | null {
  if (bodyModel !== null) {
    return isServed(bodyModel, rules) ? null : fault('unknown-model', 'body.model', bodyModel);
  }
  const isThere = members.includes('model');
  return isThere ? fault('wrong-type', 'body.model', 'another type') : fault('missing', 'body.model', null);
}

function isUrlOf(url: string, { endpoint }: Pick<RequestRules, 'endpoint'>): boolean {
  return url === endpoint || `/v1${url}` === endpoint;
}

function isServed(model: string, { models }: RequestRules): boolean {
  return models === 'any' || models.includes(model);
}

function hasRequired(members: readonly string[], { required }: RequestRules): boolean {
  return required.length === 0 || required.some((name) => members.includes(name));
}

function fault(kind: Fault['kind'], member: string | null, found: string | null): Fault {
  return { kind, member, found: found && shortened(found) };
}

/** What a fault shows of a text: enough to know it by, where the text may be as long as a line. */
export function shortened(text: string): string {
  return text.length <= SHOWN_LENGTH ? text : `${text.slice(0, SHOWN_LENGTH)}…`;
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
