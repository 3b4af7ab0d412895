import { once } from 'node:events';
import { createWriteStream } from 'node:fs';

const LINES_AT_ONCE = 10_000;

/** A short chat request whose `custom_id` no other has. */
export function shortRequest(at: number): string {
  return `{"custom_id":"request-${at}","body":{"messages":[{"role":"user","content":"${at}"}]}}`;
}

/** Writes a file of `count` short requests. */
export async function writeShortRequests(path: string, count: number): Promise<void> {
  const out = createWriteStream(path);
  for (let at = 0; at < count; at += LINES_AT_ONCE) {
    const lines = Array.from({ length: Math.min(LINES_AT_ONCE, count - at) }, (_, place) =>
      shortRequest(at + place),
    );
    if (!out.write(`${lines.join('\n')}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}
