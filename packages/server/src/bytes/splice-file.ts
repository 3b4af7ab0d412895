import { ByteBuilder } from './byte-builder.ts';
import { isKey, membersOf, skipSpace } from './json-scan.ts';
import type { Member } from './json-scan.ts';
import type { FileMember } from './named-files.ts';

/** What stands before and behind content that is too large to be held: the content goes between them as it is read. */
export interface Gap {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export type LinkMember = 'file_url' | 'document_url' | 'image_url';

const LINKS: readonly LinkMember[] = ['file_url', 'document_url', 'image_url'];

/** The last string that the body has for `member` or `file_url`, as `JSON.parse` would find it; null if there is none. */
export function stringAt(body: Uint8Array, member: FileMember | 'file_url'): string | null {
  let object = body;
  const path = member.split('.');
  for (const [depth, name] of path.entries()) {
    const last = lastNamed(object, name);
    if (last === null) return null;
    const value = object.subarray(last.valueStart, last.valueEnd);
    if (depth < path.length - 1) {
      if (value[0] !== OPEN_BRACE) return null;
      object = value;
    } else return value[0] === QUOTE ? (JSON.parse(utf8(value)) as string) : null;
  }
  return null;
}

/**
 * The body with a link in place of the file that it names in `member`, with a gap where the URL goes (inside its quotes; it must need
 * no escape). All else stays byte for byte, but for what would contradict the link: other links beside it, `type`, which becomes that
 * of the link, and earlier duplicates, which count for nothing. The body must name a file there.
 */
export function gapForLink(body: Uint8Array, member: FileMember, link: LinkMember): Gap {
  const out = new ByteBuilder(Number.MAX_SAFE_INTEGER, body.length + 64);
  let gapAt = 0;
  const writeLinked = (object: Uint8Array): void => {
    rewriteObject(out, object, 'file_id', (inner, isLast) => {
      if (isLast) {
        out.appendAll(Buffer.from(`"${link}":"`));
        gapAt = out.length;
        out.appendAll(Buffer.from('"'));
      } else if (member === 'document.file_id' && isKey(object, inner, 'type')) {
        out.append(object, inner.keyStart, inner.valueStart);
        out.appendAll(Buffer.from(`"${link}"`));
      } else return LINKS.some((each) => isKey(object, inner, each)) ? 'drop' : 'keep';
      return 'written';
    });
  };
  if (member === 'file_id') writeLinked(body);
  else {
    rewriteObject(out, body, 'document', (outer, isLast) => {
      if (!isLast) return 'keep';
      out.append(body, outer.keyStart, outer.valueStart);
      writeLinked(body.subarray(outer.valueStart, outer.valueEnd));
      return 'written';
    });
  }
  const all = out.take();
  return { before: all.subarray(0, gapAt), after: all.subarray(gapAt) };
}

/**
 * Copies an object member by member, without the earlier ones of those called `name`. `write` tells what becomes of each of the others,
 * or has written it, key and all; nothing of a dropped one may have been written. Members keep the space before them, as `spliceBody` does it.
 */
function rewriteObject(
  out: ByteBuilder,
  object: Uint8Array,
  name: string,
  write: (member: Member, isLast: boolean) => 'keep' | 'drop' | 'written',
): void {
  const last = lastNamed(object, name)?.keyStart;
  let copied = skipSpace(object, 0) + 1;
  out.append(object, 0, copied);
  let isFirst = true;
  let isEmpty = true;
  for (const member of membersOf(object)) {
    if (isFirst) out.append(object, copied, member.keyStart);
    const lengthBefore = out.length;
    if (!isEmpty) out.append(object, copied, member.keyStart);
    const isDuplicate = isKey(object, member, name) && member.keyStart !== last;
    const became = isDuplicate ? 'drop' : write(member, member.keyStart === last);
    if (became === 'keep') out.append(object, member.keyStart, member.valueEnd);
    if (became === 'drop') out.truncate(lengthBefore);
    else isEmpty = false;
    isFirst = false;
    copied = member.valueEnd;
  }
  out.append(object, copied, object.length);
}

const QUOTE = 0x22;
const OPEN_BRACE = 0x7b;

function lastNamed(object: Uint8Array, name: string): Member | null {
  let last: Member | null = null;
  for (const member of membersOf(object)) if (isKey(object, member, name)) last = member;
  return last;
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
