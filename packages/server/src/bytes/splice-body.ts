import { isKey, membersOf } from './json-scan.ts';
import type { Member } from './json-scan.ts';

export interface BodyChanges {
  /** The model to ask for; absent: leave it as it is. */
  readonly model?: string;
}

const FALSE = Buffer.from('false');
const COMMA = Buffer.from(',');

/**
 * The request body to send: byte for byte the same, but for the top-level members that Bora decides itself. Duplicates
 * are all changed, because servers differ in which of them they take; escaped keys are recognised.
 *
 * - `model`, if given, becomes the value of every `model` member; a body without one gets it as its first member.
 * - A `stream` that is anything but `false` becomes `false`: a batch wants one answer. `stream_options` goes with it, for
 *   servers refuse it without `stream`.
 *
 * Answers the same array if nothing changes. `body` must be a valid JSON object.
 */
export function spliceBody(body: Uint8Array, changes: BodyChanges): Uint8Array {
  const model = changes.model === undefined ? null : Buffer.from(JSON.stringify(changes.model));
  const members: Member[] = [];
  const replaced = new Map<Member, Uint8Array>();
  const streamOptions: Member[] = [];
  let hasModel = false;
  let streams = false;
  for (const member of membersOf(body)) {
    members.push(member);
    if (model !== null && isKey(body, member, 'model')) {
      hasModel = true;
      if (!isValue(body, member, model)) replaced.set(member, model);
    } else if (isKey(body, member, 'stream')) {
      if (!isValue(body, member, FALSE)) {
        streams = true;
        replaced.set(member, FALSE);
      }
    } else if (isKey(body, member, 'stream_options')) {
      streamOptions.push(member);
    }
  }
  const added = model !== null && !hasModel ? Buffer.concat([Buffer.from('"model":'), model]) : null;
  if (replaced.size === 0 && added === null) return body;
  const removed = new Set(streams ? streamOptions : []);
  return rebuild(body, members, replaced, removed, added);
}

/**
 * Each member keeps the bytes between it and its predecessor (comma and space), but for the first that is left, which
 * keeps what lies between the brace and the first member.
 */
function rebuild(
  body: Uint8Array,
  members: readonly Member[],
  replaced: ReadonlyMap<Member, Uint8Array>,
  removed: ReadonlySet<Member>,
  added: Uint8Array | null,
): Uint8Array {
  const first = members[0];
  const last = members.at(-1);
  const head = first === undefined ? body.indexOf(0x7b) + 1 : first.keyStart;
  const parts = [body.subarray(0, head)];
  if (added !== null) parts.push(added);

  let isEmpty = added === null;
  let previousEnd = head;
  for (const member of members) {
    if (!removed.has(member)) {
      if (!isEmpty) parts.push(member === first ? COMMA : body.subarray(previousEnd, member.keyStart));
      parts.push(body.subarray(member.keyStart, member.valueStart));
      parts.push(replaced.get(member) ?? body.subarray(member.valueStart, member.valueEnd));
      isEmpty = false;
    }
    previousEnd = member.valueEnd;
  }
  parts.push(body.subarray(last?.valueEnd ?? head));
  return Buffer.concat(parts);
}

function isValue(bytes: Uint8Array, { valueStart, valueEnd }: Member, value: Uint8Array): boolean {
  if (valueEnd - valueStart !== value.length) return false;
  for (let at = 0; at < value.length; at += 1) if (bytes[valueStart + at] !== value[at]) return false;
  return true;
}
