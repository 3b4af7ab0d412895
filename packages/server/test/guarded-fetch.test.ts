import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { systemClock } from '../src/observe/clock.ts';
import { AddressGuard } from '../src/upstreams/address-guard.ts';
import { GuardedFetch } from '../src/upstreams/guarded-fetch.ts';
import type { FetchSettings, Resolve } from '../src/upstreams/guarded-fetch.ts';
import { startFileServer } from './file-server.ts';

const TIMEOUT = { timeout: 10_000 };
const SETTINGS: FetchSettings = { maxBytes: 1000, timeoutMs: 60_000, allow: ['127.0.0.1'] };

function address(text: string): LookupAddress {
  return { address: text, family: text.includes(':') ? 6 : 4 };
}

/** Answers one list after the other, and notes what it was asked. */
function resolver(...answers: readonly (readonly string[])[]): Resolve & { asked: string[] } {
  const asked: string[] = [];
  const resolve = async (host: string): Promise<LookupAddress[]> => {
    const answer = answers[asked.push(host) - 1];
    if (answer === undefined) throw new Error(`ENOTFOUND ${host}`);
    return answer.map(address);
  };
  return Object.assign(resolve, { asked });
}

async function textOf(fetcher: GuardedFetch, url: string): Promise<string> {
  await using fetched = await fetcher.open(url);
  const chunks: Uint8Array[] = [];
  for await (const chunk of fetched.chunks) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const CLOSED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.1', '127.255.255.254', '::1'],
  private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', 'fc00::1', 'fdff::1'],
  'shared by carriers': ['100.64.0.1', '100.127.255.255'],
  'link-local': ['169.254.169.254', 'fe80::1', 'fe80::1%eth0', 'febf::1', 'fec0::1'],
  unspecified: ['0.0.0.0', '0.1.2.3', '::', '::0.0.0.0'],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
  'reserved and broadcast': ['240.0.0.1', '255.255.255.255', '192.0.0.8', '198.18.0.1', '4000::1', '100::1'],
  documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
  'IPv4 in IPv6': ['::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:7f00:1', '::127.0.0.1'],
  'NAT64, 6to4, Teredo': ['64:ff9b::7f00:1', '64:ff9b:1::1', '2002:7f00:1::', '2001:0:7f00:1::'],
  'no address': ['', 'localhost', '127.1', '0x7f000001', '2130706433', '10.0.0.1/8', '1.2.3.4.'],
};
for (const [kind, addresses] of Object.entries(CLOSED)) {
  test(`an address is not admitted: ${kind}`, () => {
    const guard = new AddressGuard([]);
    assert.deepEqual(
      addresses.filter((each) => guard.admits(each)),
      [],
    );
  });
}

test('addresses of the net are admitted, up to the edges of what is not', () => {
  const guard = new AddressGuard([]);
  const open = [
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '100.63.255.255',
    '100.128.0.0',
  ];
  for (const each of [...open, '223.255.255.255', '2606:4700::1111', '2a00::1', '2003::1', '2001:200::1']) {
    assert.ok(guard.admits(each), each);
  }
});

test('what is allowed is admitted, and nothing beside it, nor in another form', () => {
  const guard = new AddressGuard(['10.1.0.0/16', '127.0.0.1', 'fd00::/8', '::ffff:192.168.1.1']);
  for (const each of ['10.1.255.255', '127.0.0.1', 'fd12::1', '::ffff:192.168.1.1'])
    assert.ok(guard.admits(each), each);
  for (const each of [
    '10.2.0.1',
    '127.0.0.2',
    'fc00::1',
    '::ffff:10.1.0.1',
    '::ffff:127.0.0.1',
    '192.168.1.1',
  ]) {
    assert.ok(!guard.admits(each), each);
  }
});

for (const host of [
  '127.0.0.1',
  '127.0.0.1.',
  '127.1',
  '2130706433',
  '0x7f.0.0.1',
  '0177.0.0.1',
  '017700000001',
  '%31%32%37.0.0.1',
  '①②⑦.0.0.1',
  '0',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[64:ff9b::127.0.0.1]',
  '169.254.169.254',
]) {
  test(`http://${host}/ is refused for its address, and nobody is asked what it is`, async () => {
    const resolve = resolver();
    const fetcher = new GuardedFetch({ ...SETTINGS, allow: [] }, systemClock, resolve);
    await assert.rejects(fetcher.open(`http://${host}/`), { code: 'file_url_address', isTransient: false });
    assert.deepEqual(resolve.asked, []);
  });
}

for (const link of [
  'ftp://example.com/a',
  'file:///etc/passwd',
  'data:audio/wav;base64,AAAA',
  'gopher://example.com/',
  'example.com/a',
  '//example.com/a',
  'http://',
  'http://user@example.com/',
  'http://:secret@example.com/',
  'http://example.com@127.0.0.1/',
]) {
  test(`${link} is no link that is fetched`, async () => {
    const fetcher = new GuardedFetch(SETTINGS, systemClock, resolver());
    await assert.rejects(fetcher.open(link), { code: 'file_url_invalid' });
  });
}

test('a name is refused if any of its addresses is, also where it says that it is local', async () => {
  for (const answers of [['10.0.0.1'], ['8.8.8.8', '127.0.0.2'], ['2606:4700::1', '::1']]) {
    const fetcher = new GuardedFetch(SETTINGS, systemClock, resolver(answers));
    await assert.rejects(fetcher.open('http://localhost./'), { code: 'file_url_address' });
  }
});

test(
  'a name that means another address the next moment leads to the one that was checked',
  TIMEOUT,
  async () => {
    await using server = await startFileServer((_, reply) => reply.end('checked'));
    const resolve = resolver(['127.0.0.1'], ['10.0.0.1']);
    const fetcher = new GuardedFetch(SETTINGS, systemClock, resolve);
    const url = `http://rebinding.example:${server.port}/a`;
    assert.equal(await textOf(fetcher, url), 'checked');
    assert.deepEqual(resolve.asked, ['rebinding.example'], 'it was asked once, not again by the connection');
    assert.deepEqual(server.asked, ['rebinding.example/a']);
    await assert.rejects(fetcher.open(url), { code: 'file_url_address' });
  },
);

test('each redirect is checked anew, and there are not too many', TIMEOUT, async () => {
  await using server = await startFileServer((path, reply) => {
    const left = Number(path.slice(1));
    const location = left > 0 ? `/${left - 1}` : path === '/0' ? null : decodeURIComponent(path.slice(1));
    if (location === null) reply.end('there');
    else reply.writeHead(307, location === '' ? {} : { location }).end();
  });
  const base = `http://a.example:${server.port}`;
  const local = Array.from({ length: 10 }, () => ['127.0.0.1']);
  const fetcher = (...answers: string[][]): GuardedFetch =>
    new GuardedFetch(SETTINGS, systemClock, resolver(...answers));
  assert.equal(await textOf(fetcher(...local), `${base}/5`), 'there');
  await assert.rejects(fetcher(...local).open(`${base}/6`), { code: 'file_url_redirects' });
  await assert.rejects(fetcher(['127.0.0.1'], ['10.0.0.1']).open(`${base}/1`), { code: 'file_url_address' });
  for (const [location, code] of [
    ['http://[::1]/', 'file_url_address'],
    ['http://0x7f000002/', 'file_url_address'],
    ['file:///etc/passwd', 'file_url_invalid'],
    ['http://me:you@a.example/', 'file_url_invalid'],
  ]) {
    const asked = fetcher(...local).open(`${base}/${encodeURIComponent(location)}`);
    await assert.rejects(asked, { code }, location);
  }
});

test('content that is too large is refused, whether its length is told or not', TIMEOUT, async () => {
  await using server = await startFileServer((path, reply) => {
    if (path === '/told') reply.writeHead(200, { 'content-length': 1001 });
    reply.write(Buffer.alloc(path === '/fits' ? 1000 : 1001));
    reply.end();
  });
  const fetcher = new GuardedFetch(
    SETTINGS,
    systemClock,
    resolver(['127.0.0.1'], ['127.0.0.1'], ['127.0.0.1']),
  );
  const at = (path: string): string => `http://a.example:${server.port}${path}`;
  await assert.rejects(fetcher.open(at('/told')), { code: 'file_url_too_large' });
  await assert.rejects(textOf(fetcher, at('/untold')), { code: 'file_url_too_large' });
  assert.equal((await textOf(fetcher, at('/fits'))).length, 1000);
});

test(
  'a server that takes too long is given up: for the name, the headers, or the rest',
  TIMEOUT,
  async () => {
    const reached = Promise.withResolvers<void>();
    await using server = await startFileServer((path, reply) => {
      if (path === '/rest') reply.writeHead(200, { 'content-length': 10 }).write('begun');
      reached.resolve();
    });
    const never: Resolve = () => new Promise(() => {});
    const fast: Resolve = async () => [address('127.0.0.1')];
    for (const [resolve, path] of [
      [never, '/'],
      [fast, '/headers'],
      [fast, '/rest'],
    ] as const) {
      const clock = new SimulatedClock();
      const fetched = textOf(
        new GuardedFetch(SETTINGS, clock, resolve),
        `http://a.example:${server.port}${path}`,
      );
      const refused = assert.rejects(fetched, { code: 'file_url_timeout', isTransient: true });
      if (resolve === fast) await reached.promise;
      const isOver = refused.then(() => true);
      while (!(await Promise.race([isOver, clock.advance(1_000).then(() => false)])));
    }
  },
);

test('a server that fails may do better another time, one that refuses will not', TIMEOUT, async () => {
  await using server = await startFileServer((path, reply) => {
    if (path === '/break') reply.destroy();
    else reply.writeHead(Number(path.slice(1))).end();
  });
  for (const [path, code, isTransient] of [
    ['/503', 'file_url_status', true],
    ['/429', 'file_url_status', true],
    ['/404', 'file_url_status', false],
    ['/204', 'file_url_status', false],
    ['/break', 'file_url_unreachable', true],
  ] as const) {
    const fetcher = new GuardedFetch(SETTINGS, systemClock, resolver(['127.0.0.1']));
    await assert.rejects(fetcher.open(`http://a.example:${server.port}${path}`), { code, isTransient }, path);
  }
  await assert.rejects(new GuardedFetch(SETTINGS, systemClock, resolver()).open('http://unknown.example/'), {
    code: 'file_url_unreachable',
  });
});

test('a reader that goes away ends the fetch with its own reason', TIMEOUT, async () => {
  await using server = await startFileServer(() => {});
  const abort = new AbortController();
  const fetcher = new GuardedFetch(SETTINGS, systemClock, async () => {
    setImmediate(() => abort.abort(new Error('stopped')));
    return [address('127.0.0.1')];
  });
  await assert.rejects(fetcher.open(`http://a.example:${server.port}/`, abort.signal), {
    message: 'stopped',
  });
});
