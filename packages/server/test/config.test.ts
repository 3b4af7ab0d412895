import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ConfigError } from '../src/config/config-error.ts';
import type { ConfigSources } from '../src/config/config.ts';
import { readConfig } from '../src/config/config.ts';
import { fileKeyOf, OPTIONS } from '../src/config/options.ts';
import type { OptionName } from '../src/config/options.ts';
import { optionsReference } from '../src/config/reference.ts';

const folder = mkdtempSync(join(tmpdir(), 'bora-config-'));
after(() => rmSync(folder, { recursive: true }));
const MIB = 1024 * 1024;

function withFile(yaml: string, sources: ConfigSources = {}): ConfigSources {
  const path = join(folder, 'bora.yaml');
  writeFileSync(path, yaml);
  after(() => rmSync(path, { force: true }));
  return { folder, ...sources, flags: { config: path, ...sources.flags } };
}

function refusal(sources: ConfigSources): string {
  try {
    readConfig(sources);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  return assert.fail('the configuration was accepted');
}

test('without any word from anybody the defaults hold', () => {
  const config = readConfig({ folder: join(folder, 'empty') });
  assert.equal(config.host, '127.0.0.1');
  assert.equal(config.port, 2672);
  assert.equal(config.data, join(folder, 'empty', 'bora-data'));
  assert.equal(config.maxLineBytes, 16 * MIB);
  assert.equal(config.maxFileBytes, null);
  assert.deepEqual(config.upstreams, []);
  assert.deepEqual(config.webhooks, []);
});

test('a flag wins over the environment, the environment over the file, the file over the default', () => {
  const env = { BORA_PORT: '2', BORA_LOG_LEVEL: 'warn' };
  const sources = withFile('port: 1\nlog_level: debug\nstop_grace_seconds: 7', { env, flags: { port: '3' } });
  const config = readConfig(sources);
  assert.equal(config.port, 3);
  assert.equal(config.logLevel, 'warn');
  assert.equal(config.stopGraceSeconds, 7);
});

test('an empty environment variable counts as not set', () => {
  assert.equal(readConfig({ folder, env: { BORA_PORT: '' } }).port, 2672);
});

test('bytes may be written with a unit', () => {
  assert.equal(readConfig({ folder, env: { BORA_MAX_FILE_BYTES: '512MiB' } }).maxFileBytes, 512 * MIB);
});

for (const [value, wanted] of [
  ['x', /BORA_PORT is "x"; it must be a whole number/],
  ['-1', /BORA_PORT is "-1"/],
  ['65536', /BORA_PORT is 65536; it must be 0 to 65535/],
  ['5MiB', /BORA_PORT is "5MiB"/],
] as const) {
  test(`port ${value} is refused`, () =>
    assert.match(refusal({ folder, env: { BORA_PORT: value } }), wanted));
}

test('a log level that does not exist is refused with those that do', () => {
  assert.match(refusal({ folder, env: { BORA_LOG_LEVEL: 'loud' } }), /must be one of trace, debug, info/);
});

test('upstreams of the environment share key and limit, and lose the /v1 that people paste', () => {
  const { upstreams } = readConfig({
    folder,
    env: {
      BORA_UPSTREAM: 'http://a:8000/, http://b:8000/v1',
      BORA_UPSTREAM_API_KEY: 'secret',
      BORA_UPSTREAM_MAX_IN_FLIGHT: '9',
    },
  });
  assert.deepEqual(
    upstreams.map(({ name, url, apiKey, maxInFlight }) => ({ name, url, apiKey, maxInFlight })),
    [
      { name: 'a:8000', url: 'http://a:8000', apiKey: 'secret', maxInFlight: 9 },
      { name: 'b:8000', url: 'http://b:8000', apiKey: 'secret', maxInFlight: 9 },
    ],
  );
});

test('bora.yaml describes several upstreams, with keys from the environment', () => {
  const yaml = `
upstreams:
  - name: gpu
    url: http://gpu:8000
    models: [small, large]
    endpoints: [/v1/chat/completions, /v1/embeddings]
    max_in_flight: 256
    timeout_seconds: 90
    weight: 2
    transcriptions: json
    requests_per_minute: 60
    tokens_per_minute: 90000
    headers: { x-team: batch }
  - url: https://api.example.com/v1
    api_key_env: EXAMPLE_KEY
`;
  const { upstreams } = readConfig(withFile(yaml, { env: { EXAMPLE_KEY: 'secret' } }));
  assert.deepEqual(upstreams[0], {
    name: 'gpu',
    url: 'http://gpu:8000',
    apiKey: null,
    models: ['small', 'large'],
    endpoints: ['/v1/chat/completions', '/v1/embeddings'],
    maxInFlight: 256,
    timeoutMs: 90_000,
    headers: { 'x-team': 'batch' },
    weight: 2,
    fileForms: { transcriptions: 'json', documents: 'data' },
    requestsPerMinute: 60,
    tokensPerMinute: 90_000,
  });
  assert.equal(upstreams[1].apiKey, 'secret');
  assert.equal(upstreams[1].endpoints, null);
});

test('models are a list of names, or a mapping to what the server calls them', () => {
  const models = (text: string): unknown =>
    readConfig(withFile(`upstreams: [{ url: "http://a", models: ${text} }]`)).upstreams[0].models;
  assert.deepEqual(models('[a, "*"]'), ['a', '*']);
  assert.deepEqual(models('{ small: qwen3-8b, "*": "*" }'), { small: 'qwen3-8b', '*': '*' });
  for (const wrong of ['[]', '{}', '{ small: 3 }', '[""]']) {
    assert.throws(() => models(wrong), /upstreams\[0\]\.models/, wrong);
  }
  assert.throws(() => models('7'), /must be a list of names, or a mapping/);
});

for (const [policy, wanted] of [
  ['enforce', 0],
  ['none', Infinity],
  ['at-least 90m', 5_400_000],
  ['at-least 72h', 72 * 3_600_000],
  ['at-least 7d', 7 * 86_400_000],
] as const) {
  test(`the deadline policy ${policy} is read`, () => {
    assert.equal(readConfig({ folder, env: { BORA_DEADLINE_POLICY: policy } }).leastTimeoutMs, wanted);
  });
}

for (const policy of ['never', 'at-least', 'at-least 3', 'at-least -1h', 'at-least 3 weeks']) {
  test(`the deadline policy ${policy} is refused`, () => {
    assert.match(
      refusal({ folder, env: { BORA_DEADLINE_POLICY: policy } }),
      /must be enforce, none, or at-least with minutes/,
    );
  });
}

test('files go to an upstream as links only if it is said where those lead', () => {
  const sources = withFile('upstreams: [{ url: "http://a", name: ocr, documents: url }]');
  assert.match(refusal(sources), /Upstream ocr gets files as links .* BORA_PUBLIC_URL does not say where/);
  const config = readConfig({ ...sources, env: { BORA_PUBLIC_URL: 'https://bora.example' } });
  assert.deepEqual(config.upstreams[0].fileForms, { transcriptions: 'multipart', documents: 'url' });
});

test('an unknown key is refused with the nearest known one', () => {
  assert.match(
    refusal(withFile('max_file_byte: 1')),
    /no option "max_file_byte"\. Did you mean "max_file_bytes"\?/,
  );
  assert.match(
    refusal(withFile('upstreams: [{ url: "http://a", apikey_env: X }]')),
    /upstreams\[0\]: there is no option "apikey_env"\. Did you mean "api_key_env"\?/,
  );
  assert.match(refusal(withFile('zzzzzzzzzz: 1')), /Known are: host, port/);
});

test('broken YAML is refused with its line', () => {
  assert.match(refusal(withFile('port: [1')), /is not valid YAML: .*line 1/s);
});

for (const [what, sources, wanted] of [
  ['a missing named file', { folder, flags: { config: 'nowhere.yaml' } }, /nowhere\.yaml cannot be read/],
  [
    'a key without BORA_UPSTREAM',
    { folder, env: { BORA_UPSTREAM_API_KEY: 'x' } },
    /belongs to BORA_UPSTREAM/,
  ],
  [
    'lines longer than files',
    { folder, env: { BORA_MAX_FILE_BYTES: '1MiB' } },
    /BORA_MAX_LINE_BYTES \(16777216\) is more than BORA_MAX_FILE_BYTES/,
  ],
  [
    'an upstream that is no URL',
    { folder, env: { BORA_UPSTREAM: 'gpu:8000' } },
    /must be a URL such as http/,
  ],
  [
    'a network that is none',
    { folder, env: { BORA_FETCH_ALLOW: '10.0.0.0/8,10.0.0.0/33' } },
    /BORA_FETCH_ALLOW names "10\.0\.0\.0\/33"; it must be an address or a network/,
  ],
  ...['https://a/path', 'a.example', 'null', '*,https://a', 'https://user@a'].map(
    (origins) =>
      [
        `the origin ${origins}`,
        { folder, env: { BORA_CORS_ORIGINS: origins } },
        /BORA_CORS_ORIGINS names ".+"; it must be origins such as/,
      ] as const,
  ),
  [
    'the same upstream twice',
    { folder, env: { BORA_UPSTREAM: 'http://a,http://a/v1' } },
    /Two upstreams are called a/,
  ],
] as const) {
  test(`${what} is refused with a sentence`, () => assert.match(refusal(sources), wanted));
}

test('origins are read as browsers send them', () => {
  const read = (origins: string): unknown =>
    readConfig({ folder, env: { BORA_CORS_ORIGINS: origins } }).corsOrigins;
  assert.deepEqual(read('https://App.example:443/, http://b:8080,tauri://localhost'), [
    'https://app.example',
    'http://b:8080',
    'tauri://localhost',
  ]);
  assert.equal(read('*'), 'all');
  assert.deepEqual(read('nobody'), []);
  assert.equal(read(''), null);
});

test('bora.yaml names webhooks, with secrets of its own or from the environment', () => {
  const yaml = `
webhooks:
  - url: https://app.example:8443/hooks/secret?of=mine
    secret_env: HOOK_SECRET
  - url: http://127.0.0.1:8080
    name: team
    secret: any words
    workspace: team
    events: [batch.expired, batch.failed]
`;
  const { webhooks } = readConfig(withFile(yaml, { env: { HOOK_SECRET: 'whsec_AAEC' } }));
  assert.deepEqual(webhooks, [
    {
      name: 'app.example:8443',
      url: 'https://app.example:8443/hooks/secret?of=mine',
      key: Buffer.from([0, 1, 2]),
      workspace: null,
      states: ['completed', 'failed', 'expired', 'cancelled'],
    },
    {
      name: 'team',
      url: 'http://127.0.0.1:8080/',
      key: Buffer.from('any words'),
      workspace: 'team',
      states: ['failed', 'expired'],
    },
  ]);
});

for (const [what, webhook, wanted] of [
  ['without a secret', 'url: "http://a"', /Webhook a needs one secret, .* in `secret_env` .* or in `secret`/],
  ['with two secrets', 'url: "http://a", secret: x, secret_env: X', /needs one secret, .* and not both/],
  ['whose variable is not set', 'url: "http://a", secret_env: X', /environment variable X, which is not set/],
  ['with a broken secret', 'url: "http://a", secret: whsec_a-b', /The secret of webhook a .* is not base64/],
  ['with an empty secret', 'url: "http://a", secret: whsec_', /The secret of webhook a .* is not base64/],
  ['without a URL', 'secret: x', /webhooks\[0\]\.url/],
  ['at a path', 'url: /hooks, secret: x', /url is "\/hooks"; it must be a URL such as https/],
  ['with a password', 'url: "http://a:b@c", secret: x', /without a user or a password/],
  ['of an unknown event', 'url: "http://a", secret: x, events: [batch.done]', /webhooks\[0\]\.events\[0\]/],
  ['of a mistyped key', 'url: "http://a", secrt: x', /no option "secrt"\. Did you mean "secret"/],
  ['twice', 'url: "http://a/1", secret: x }, { url: "http://a/2", secret: x', /Two webhooks are called a/],
] as const) {
  test(`a webhook ${what} is refused with a sentence`, () =>
    assert.match(refusal(withFile(`webhooks: [{ ${webhook} }]`)), wanted));
}

test('upstreams in two places are refused', () => {
  const sources = withFile('upstreams: [{ url: "http://a" }]', { env: { BORA_UPSTREAM: 'http://b' } });
  assert.match(refusal(sources), /Say it in one place/);
});

test('a key variable that is not set is refused by name', () => {
  assert.match(
    refusal(withFile('upstreams: [{ url: "http://a", api_key_env: MISSING_KEY }]')),
    /environment variable MISSING_KEY, which is not set/,
  );
});

test('names agree in environment, flag and file, and each is in the reference', () => {
  const reference = optionsReference();
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    const { env, flag } = OPTIONS[name];
    const dashed = fileKeyOf(name).replaceAll('_', '-');
    assert.equal(flag, `--${dashed}`);
    assert.equal(
      name,
      dashed.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
    );
    assert.ok(reference.includes(`\`${env}\``), env);
  }
});

test('the page about configuration shows the reference as it is', async () => {
  const page = await readFile(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  const cells = (text: string): string[] =>
    text
      .split('\n')
      .filter((row) => row.startsWith('| `BORA_'))
      .map((row) => row.replaceAll(/ +/g, ' '));
  assert.deepEqual(cells(page), cells(optionsReference()));
});
