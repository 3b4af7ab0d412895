import { ByteBuilder } from './byte-builder.ts';
import { isKey, membersOf, MemberWalk, skipSpace } from './json-scan.ts';
import type { Member } from './json-scan.ts';

export interface BodyChanges {
  /** The model to ask for; absent: leave it as it is. */
  readonly model?: string;
}

const FALSE = Buffer.from('false');
const COMMA = Buffer.from(',');
const CLOSE_BRACE = 0x7d;
const MODEL_KEY = Buffer.from('"model":');

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
  const model = changes.model === undefined ? null : jsonOf(changes.model);
  let isChanged = false;
  let hasModel = false;
  let streams = false;
  const member = new MemberWalk(body);
  while (member.next()) {
    if (model !== null && isKey(body, member, 'model')) {
      hasModel = true;
      isChanged ||= !isValue(body, member, model);
    } else if (isKey(body, member, 'stream') && !isValue(body, member, FALSE)) {
      streams = true;
      isChanged = true;
    }
  }
  if (model !== null && !hasModel)
    return streams ? rewrite(body, model, hasModel, streams) : insertModel(body, model);
  return isChanged ? rewrite(body, model, hasModel, streams) : body;
}

/** Only the model: a caller that waits for an event stream gets one. As `spliceBody` otherwise. */
export function spliceModel(body: Uint8Array, model: string): Uint8Array {
  return rewrite(body, jsonOf(model), true, false);
}

/** What nearly every line needs, and all it needs: one copy, without a second walk. */
function insertModel(body: Uint8Array, model: Uint8Array): Uint8Array {
  const inside = skipSpace(body, 0) + 1;
  const first = skipSpace(body, inside);
  const isEmpty = body[first] === CLOSE_BRACE;
  const at = isEmpty ? inside : first;
  const comma = isEmpty ? 0 : 1;
  const out = Buffer.allocUnsafe(body.length + MODEL_KEY.length + model.length + comma);
  Buffer.prototype.copy.call(body, out, 0, 0, at);
  MODEL_KEY.copy(out, at);
  let end = at + MODEL_KEY.length;
  out.set(model, end);
  end += model.length;
  if (!isEmpty) out[end] = COMMA[0];
  Buffer.prototype.copy.call(body, out, end + comma, at);
  return out;
}

/** Requests in a row ask for the same model. */
let latestModel: { readonly name: string; readonly json: Uint8Array } = { name: '', json: Buffer.from('""') };

function jsonOf(name: string): Uint8Array {
  if (latestModel.name !== name) latestModel = { name, json: Buffer.from(JSON.stringify(name)) };
  return latestModel.json;
}

/**
 * Copies member by member, so that a body of a million members needs no list of them. Each member keeps the bytes between it
 * and its predecessor (comma and space), but for the first that is left, which keeps what lies between the brace and the
 * first member.
 */
function rewrite(
  body: Uint8Array,
  model: Uint8Array | null,
  hasModel: boolean,
  streams: boolean,
): Uint8Array {
  const out = new ByteBuilder(Number.MAX_SAFE_INTEGER, body.length + (model?.length ?? 0) + 16);
  let copied = skipSpace(body, 0) + 1;
  out.append(body, 0, copied);

  let isFirst = true;
  let isEmpty = true;
  for (const member of membersOf(body)) {
    if (isFirst) out.append(body, copied, member.keyStart);
    if (isFirst && model !== null && !hasModel) {
      out.appendAll(MODEL_KEY);
      out.appendAll(model);
      isEmpty = false;
    }
    if (!(streams && isKey(body, member, 'stream_options'))) {
      if (!isEmpty) {
        if (isFirst) out.appendAll(COMMA);
        else out.append(body, copied, member.keyStart);
      }
      out.append(body, member.keyStart, member.valueStart);
      if (model !== null && isKey(body, member, 'model')) out.appendAll(model);
      else if (streams && isKey(body, member, 'stream')) out.appendAll(FALSE);
      else out.append(body, member.valueStart, member.valueEnd);
      isEmpty = false;
    }
    isFirst = false;
    copied = member.valueEnd;
  }
  if (isFirst && model !== null) {
    out.appendAll(MODEL_KEY);
    out.appendAll(model);
  }
  out.append(body, copied, body.length);
  return out.take();
}

function isValue(bytes: Uint8Array, { valueStart, valueEnd }: Member, value: Uint8Array): boolean {
  if (valueEnd - valueStart !== value.length) return false;
  for (let at = 0; at < value.length; at += 1) if (bytes[valueStart + at] !== value[at]) return false;
  return true;
}
