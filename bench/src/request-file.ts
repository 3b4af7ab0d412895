import { once } from 'node:events';
import { createWriteStream } from 'node:fs';

const WORDS =
  'wind gust harbour roof sail stone salt night coast ridge rope lamp street window wave cloud'.split(' ');

/** Writes `count` chat requests of about 1 KB each, all different. */
export async function writeChatFile(path: string, count: number): Promise<void> {
  const out = createWriteStream(path, { highWaterMark: 1024 * 1024 });
  for (let at = 0; at < count; at++) {
    const content = Array.from({ length: 150 }, (_, word) => WORDS[(at * 7 + word * 13) % WORDS.length]).join(
      ' ',
    );
    const line = JSON.stringify({
      custom_id: `request-${at}`,
      body: { max_tokens: 256, temperature: 0.2, messages: [{ role: 'user', content: `${at}: ${content}` }] },
    });
    if (!out.write(`${line}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}
