import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startServe } from '../processes.ts';
import type { Serving } from '../processes.ts';
import { openAnsweringUpstream } from './answering-upstream.ts';
import { Crowd } from './crowd.ts';
import type { CrowdCall } from './crowd.ts';
import type { MemoryScenario } from './scenario.ts';

const MIB = 1024 * 1024;
/** Nearly as many as there may be (`BORA_MAX_CONNECTIONS`); the others are for those who mean well. */
const SIZE = 195;
/** Of each kind: what the first leaves behind in the allocator, the next ones meet. */
const ROUNDS = 3;
/** Behind it nobody is there any more of a crowd that left: one that is not read is not seen to leave. */
const STALL_SECONDS = 5;
const FILES = 1_000;
const SENT_BYTES = 15 * MIB;
/** More than the buffers of sockets take. */
const ANSWER_BYTES = 16 * MIB;
const FORM_TYPE = 'multipart/form-data; boundary=b';
const FILLER = Buffer.alloc(MIB, 'x');
const LINES = Buffer.from(`{"custom_id":"a","body":{"messages":"${'x'.repeat(950)}"}}\n`.repeat(1_000));
/** Each id another, so that the most is kept of them; and lines as short as can be. */
const ID_LINES = Buffer.from(
  Array.from({ length: 480_000 }, (_, at) => `{"custom_id":"${at}","body":{}}\n`).join(''),
);
const CRUMBS = Buffer.from('1\r\nx\r\n'.repeat(10_000));
const CHAT = '{"model":"stub","messages":"';
const HALF_LINE = '{"custom_id":"a","body":{"model":"stub","messages":"';

/** Each with the most that its kind of call can make Bora hold. */
export const crowds: MemoryScenario = {
  name: 'crowds',
  about: `${SIZE} clients at once that send 15 MiB in half, or take nothing, ${ROUNDS} times each`,
  async run({ folder, watch }) {
    await using upstream = await openAnsweringUpstream(ANSWER_BYTES);
    await using bora = await startServe({
      data: join(folder, 'data'),
      upstream: upstream.url,
      maxInFlight: 256,
      env: { BORA_STALL_SECONDS: String(STALL_SECONDS) },
    });
    const calls = await callsOf(bora);
    for (let made = 0; made < FILES; made += 1) await uploadNamed(bora);
    const memory = watch(bora.started.pid);
    for (const [name, call] of Object.entries(calls)) {
      for (let round = 1; round <= ROUNDS; round += 1) {
        memory.begin(`${name} ${round}`);
        using crowd = new Crowd(bora.url, SIZE, call);
        await crowd.rest();
        await uploadWell(bora);
      }
      await setTimeout(2 * STALL_SECONDS * 1000);
    }
    memory.end();
  },
};

async function callsOf({ client, url }: Serving): Promise<Record<string, CrowdCall>> {
  const upload = (await (
    await fetch(`${url}/v1/uploads`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        filename: 'a.jsonl',
        purpose: 'batch',
        bytes: 0,
        mime_type: 'application/jsonl',
      }),
    })
  ).json()) as { id: string };
  const large = await client.files.upload(new Blob([LINES, LINES, LINES, LINES]));
  const form = (name: string): string =>
    `--b\r\ncontent-disposition: form-data; name="${name}"; filename="a.jsonl"\r\n\r\n`;
  const sends = (path: string, body: string, repeated: Buffer, type = 'application/json'): CrowdCall => ({
    head: `POST ${path} HTTP/1.1\r\nhost: bora\r\ncontent-type: ${type}\r\ncontent-length: 100000000\r\n\r\n${body}`,
    repeated,
    bytes: SENT_BYTES,
  });
  return {
    lines: sends('/v1/files', form('file') + HALF_LINE, FILLER, FORM_TYPE),
    parts: sends(`/v1/uploads/${upload.id}/parts`, form('data') + HALF_LINE, FILLER, FORM_TYPE),
    inline: sends('/v1/batch/jobs', `{"requests":[${HALF_LINE}`, FILLER),
    chats: sends('/v1/chat/completions', CHAT, FILLER),
    answered: {
      head: `POST /v1/chat/completions HTTP/1.1\r\nhost: bora\r\ncontent-length: ${CHAT.length + SENT_BYTES + 2}\r\n\r\n${CHAT}`,
      repeated: FILLER,
      bytes: SENT_BYTES,
      end: '"}',
    },
    crumbs: inCrumbs('/v1/files', form('file') + HALF_LINE, FORM_TYPE),
    jsonCrumbs: inCrumbs('/v1/uploads', '{"filename":"', 'application/json'),
    chatCrumbs: inCrumbs('/v1/chat/completions', CHAT, 'application/json'),
    uploads: sends('/v1/files', form('file'), LINES, FORM_TYPE),
    ids: sends('/v1/files', form('file'), ID_LINES, FORM_TYPE),
    lists: { head: 'GET /v1/files?page_size=1000 HTTP/1.1\r\nhost: bora\r\n\r\n' },
    downloads: { head: `GET /v1/files/${large.id}/content HTTP/1.1\r\nhost: bora\r\n\r\n` },
  };
}

/** Byte by byte, each in a chunk of its own. */
function inCrumbs(path: string, body: string, type: string): CrowdCall {
  return {
    head: `POST ${path} HTTP/1.1\r\nhost: bora\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n`,
    repeated: CRUMBS,
    bytes: CRUMBS.length * 6,
  };
}

async function uploadNamed({ client }: Serving): Promise<void> {
  await client.files.upload(new Blob(['{"body":{}}\n']), { filename: `${'ü'.repeat(120)}.jsonl` });
}

/** Whoever means well is served meanwhile. */
async function uploadWell({ client }: Serving): Promise<void> {
  await client.files.upload(new Blob([LINES]));
}
