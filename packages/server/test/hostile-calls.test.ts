import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { MistralFile } from '@bora/protocol/mistral-files';
import { filePart, formOf, FORM_TYPE, GOOD_LINE } from '@bora/testkit/hostile/form';
import { bytesOfCall, rawCall } from '@bora/testkit/hostile/raw-call';
import { tracesIn } from '@bora/testkit/hostile/traces';
import type { ApiServer } from './api-server.ts';
import { startApiServer } from './api-server.ts';

let server: ApiServer;
let file: MistralFile;
before(async () => {
  server = await startApiServer();
  const answer = await rawCall(server.url, bytesOfCall('/v1/files', formOf([filePart()]), FORM_TYPE));
  file = JSON.parse(answer!.body) as MistralFile;
});
after(() => server?.[Symbol.asyncDispose]());

const many = (count: number, each: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => each(at)).join('');

/** A path with its query, and how it is answered. Node reads 16 KiB of both at most. */
const PATHS: readonly (readonly [string, number, RegExp])[] = [
  ['/v1/files?page_size=99999999999999', 422, /less than or equal to 1000/],
  ['/v1/files?page_size=0', 422, /greater_than_equal/],
  ['/v1/files?page=-1', 422, /greater_than_equal/],
  ['/v1/files?page=NaN', 422, /number_type/],
  ['/v1/files?page=Infinity', 422, /number_type/],
  ['/v1/files?page=0x10', 422, /number_type/],
  ['/v1/files?page=1e3', 422, /number_type/],
  ['/v1/files?page=9007199254740991&page_size=1000', 200, /"data":\[\]/],
  [`/v1/files?page=${'9'.repeat(400)}`, 422, /"page"/],
  ['/v1/files?page=1&page=0', 200, /"total":1/],
  ['/v1/files?page[]=7&page[x]=7', 200, /"total":1/],
  ['/v1/files?search=%25', 200, /"total":0/],
  ['/v1/files?search=_n.jsonl', 200, /"total":0/],
  ['/v1/files?search=%00', 200, /"total":0/],
  ['/v1/files?search=%ed%a0%80', 200, /"total":0/],
  [`/v1/files?mimetypes=${'a,'.repeat(7_000)}`, 200, /"total":0/],
  [`/v1/files?sample_type=${'batch_request,'.repeat(1_000)}`, 200, /"total":1/],
  [`/v1/files?sample_type=${'x,'.repeat(7_000)}`, 422, /first 100 of 7000 errors/],
  ['/v1/files?purpose[]=batch&__proto__[purpose]=ocr', 200, /"total":1/],
  ['/v1/batch/jobs?page=9007199254740991&page_size=1000', 200, /"data":\[\]/],
  ['/v1/batch/jobs?after=x', 422, /"query","after"/],
  ['/v1/batch/jobs?created_after=9999-12-31T23:59:59Z', 200, /"data":\[\]/],
  ['/v1/batch/jobs?created_after=-271821-04-20', 422, /created_after/],
  ['/v1/batch/jobs?%00=%00', 200, /"data":\[\]/],
  ['/v1/batch/jobs?a=%', 200, /"data":\[\]/],
  [`/v1/batch/jobs?${many(1_000, (at) => `k${at}=1&`)}`, 422, /1000 are asked for/],
  [`/v1/batch/jobs?metadata=${'['.repeat(15_000)}`, 422, /dict_type/],
  [`/v1/batch/jobs?metadata={%22a%22:${'['.repeat(7_000)}${']'.repeat(7_000)}}`, 422, /dict_type/],
  [`/v1/batch/jobs?metadata={${many(1_000, (at) => `%22${at}%22:1,`)}%22a%22:1}`, 422, /1001 are asked for/],
  ['/bora/v1/audit?from=99999999999999999999', 200, /"data":\[\]/],
  ['/bora/v1/audit?from=soon', 422, /"from"/],
  ['/bora/v1/audit?before=-9007199254740991', 200, /"data":\[\]/],
  ['/bora/v1/workspaces/__proto__', 404, /workspace_not_found/],
  ['/bora/v1/workspaces/%00', 404, /workspace_not_found/],
  [`/v1/files?${'a'.repeat(1_000_000)}`, 431, /"code":"header_too_large"/],
  ['/v1/files/%2e%2e/%2e%2e/etc/passwd', 404, /unknown_path/],
  ['/v1/files/..%2f..%2f..%2fetc%2fpasswd', 422, /uuid_parsing/],
  ['/v1/files/..%5c..%5cwindows', 422, /uuid_parsing/],
  ['/v1/files/%00', 422, /uuid_parsing/],
  ['/v1/files/%', 400, /"code":"malformed_http"/],
  ['/v1/files/%ff/content', 400, /"code":"malformed_http"/],
  [`/v1/files/${'a'.repeat(1_000)}`, 400, /"code":"malformed_http"/],
  ['/v1/files/../files', 404, /unknown_path/],
  ['/files//v1', 404, /lacks \/v1/],
  ['/v1/../v1/files', 404, /unknown_path/],
  ['http://elsewhere/v1/files', 200, /"total":1/],
  ['*', 404, /unknown_path/],
];

for (const [path, status, wanted] of PATHS) {
  test(`GET ${path.length > 70 ? `${path.slice(0, 70)}…` : path} is answered ${status}`, async () => {
    const answer = await rawCall(
      server.url,
      `GET ${path} HTTP/1.1\r\nhost: bora\r\nconnection: close\r\n\r\n`,
    );
    assert.equal(answer?.status, status, answer?.body);
    assert.match(answer.body, wanted);
    assert.ok(answer.body.length < 40_000, 'the answer is short');
    assert.match(answer.head, /x-request-id: [0-9a-f-]{36}/);
  });
}

/** What is hostile, the call as bytes, and how it is answered; null = not at all. */
const CALLS: readonly (readonly [string, string | Uint8Array, number | null, RegExp])[] = [
  [
    'a content length and chunks',
    `POST /v1/files HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\nGET /v1/files HTTP/1.1\r\n\r\n`,
    400,
    /malformed_http/,
  ],
  [
    'two content lengths',
    'POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
    400,
    /malformed_http/,
  ],
  [
    'a space before the colon',
    'GET /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length : 5\r\n\r\n',
    400,
    /malformed_http/,
  ],
  [
    'chunked that is not last',
    'POST /v1/files HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    400,
    /malformed_http/,
  ],
  [
    'a negative content length',
    'POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
    400,
    /malformed_http/,
  ],
  ['TLS', Buffer.from('160301020001000101fc0303', 'hex'), 400, /malformed_http/],
  ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n', 400, /malformed_http/],
  ['no host', 'GET /v1/files HTTP/1.1\r\nconnection: close\r\n\r\n', 400, /^/],
  ['a tunnel', 'CONNECT elsewhere:443 HTTP/1.1\r\nhost: x\r\n\r\n', null, /^/],
  [
    'an expectation',
    'POST /v1/files HTTP/1.1\r\nhost: x\r\nexpect: 200-ok\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    417,
    /^/,
  ],
  ['an upgrade', get('upgrade: websocket\r\n'), 200, /total/],
  ['a long header', get(`x-a: ${'y'.repeat(20_000)}\r\n`), 431, /header_too_large/],
  ['many headers', get(many(500, (at) => `a${at}: 1\r\n`)), 200, /total/],
  ['too many headers', get(many(5_000, (at) => `a${at}: 1\r\n`)), 431, /header_too_large/],
  ['a key of 10 KB', get(`authorization: ${'bearer '.repeat(1_000)}${'y'.repeat(5_000)}\r\n`), 200, /total/],
  [
    'dates that are none',
    get('if-modified-since: yesterday\r\nif-unmodified-since: 99\r\ndate: \x80\r\n'),
    200,
    /total/,
  ],
  [
    'a host with quotes',
    'GET /v1/files/HERE/url HTTP/1.1\r\nhost: "><script>\r\nconnection: close\r\n\r\n',
    200,
    /"url":"http:\/\/\\">/,
  ],
  [
    '10,000 ranges',
    get(`range: bytes=${many(2_600, (at) => `${at}-,`)}\r\n`, '/v1/files/HERE/content'),
    200,
    /^\{"custom_id/,
  ],
  [
    'a range of huge numbers',
    get('range: bytes=0-99999999999999999999999\r\n', '/v1/files/HERE/content'),
    206,
    /^\{"custom_id/,
  ],
  [
    'a range that begins behind all',
    get(`range: bytes=${'9'.repeat(400)}-\r\n`, '/v1/files/HERE/content'),
    416,
    /range_not/,
  ],
  ['a range upside down', get('range: bytes=9-1\r\n', '/v1/files/HERE/content'), 200, /^\{"custom_id/],
  [
    '10,000 tags',
    get(`if-none-match: ${'"x",'.repeat(3_900)}"y"\r\n`, '/v1/files/HERE/content'),
    200,
    /^\{"custom_id/,
  ],
  [
    'a date for a range',
    get('range: bytes=0-0\r\nif-range: Thu, 32 Foo 2026\r\n', '/v1/files/HERE/content'),
    200,
    /^\{"custom_id/,
  ],
];

function get(headers: string, path = '/v1/files'): string {
  return `GET ${path} HTTP/1.1\r\nhost: bora\r\nconnection: close\r\n${headers}\r\n`;
}

for (const [what, bytes, status, wanted] of CALLS) {
  test(`a call with ${what} is answered ${status ?? 'by closing'}, and the next one works`, async () => {
    const call = typeof bytes === 'string' ? Buffer.from(bytes.replace('HERE', file.id), 'latin1') : bytes;
    const answer = await rawCall(server.url, call);
    assert.equal(answer?.status ?? null, status, answer?.body);
    assert.match(answer?.body ?? '', wanted);
    const next = await rawCall(server.url, get('', `/v1/files/${file.id}/content`));
    assert.equal(next?.body, GOOD_LINE);
    assert.equal(tracesIn(server.dataFolder).handles, 0);
  });
}
