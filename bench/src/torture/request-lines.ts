import { once } from 'node:events';
import { createWriteStream } from 'node:fs';

const LINES_AT_ONCE = 10_000;

/** A short chat request whose `custom_id` no other has, with members of its own and of its body before the others. */
export function shortRequest(at: number, members = '', bodyMembers = ''): string {
  return `{"custom_id":"request-${at}",${members}"body":{${bodyMembers}"messages":[{"role":"user","content":"${at}"}]}}`;
}

/** Writes a file of `count` short requests; see `shortRequest`. */
export async function writeShortRequests(
  path: string,
  count: number,
  ...members: readonly string[]
): Promise<void> {
  const out = createWriteStream(path);
  for (let at = 0; at < count; at += LINES_AT_ONCE) {
    const lines = Array.from({ length: Math.min(LINES_AT_ONCE, count - at) }, (_, place) =>
      shortRequest(at + place, ...members),
    );
    if (!out.write(`${lines.join('\n')}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}
