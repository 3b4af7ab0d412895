import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamStatus } from '@bora/server/upstreams/upstreams';
import { startBanner } from '../src/start-banner.ts';

const FACTS = { url: 'http://127.0.0.1:2672', data: '/data', keys: false, looks: true };
const OLLAMA: UpstreamStatus = {
  name: '127.0.0.1:11434',
  url: 'http://127.0.0.1:11434',
  state: 'up',
  reason: null,
  since: 0,
  pausedByHand: false,
  found: true,
  quietUntil: null,
  waitsFor: null,
  inFlight: 0,
  maxInFlight: 4,
  attempts: { succeeded: 0, failed: 0, refused: 0, retried: 0, aborted: 0 },
  serves: ['qwen3:8b', 'llama3.2'],
  models: [],
};

test('what was found on the machine is named with its models, and how to choose another', () => {
  const text = startBanner({ ...FACTS, upstreams: [OLLAMA] });
  assert.match(
    text,
    /upstreams  http:\/\/127\.0\.0\.1:11434  found here, up, at most 4 in flight, qwen3:8b, llama3\.2\n/,
  );
  assert.match(
    text,
    /No inference server is set, so Bora uses what it found\. BORA_UPSTREAM names another\./,
  );
  assert.match(text, /--model qwen3:8b --wait/);
});

test('what was configured is named without that', () => {
  const text = startBanner({ ...FACTS, upstreams: [{ ...OLLAMA, found: false, serves: 'any' }] });
  assert.match(text, /upstreams  http:\/\/127\.0\.0\.1:11434  up, at most 4 in flight, every model\n/);
  assert.doesNotMatch(text, /found/);
});

test('with none it says whether one that is started will be found', () => {
  const looking = startBanner({ ...FACTS, upstreams: [] });
  assert.match(looking, /none answers on the usual ports of this machine: jobs are accepted and wait\./);
  assert.match(looking, /One that is started there is found within 15 s/);
  const ignoring = startBanner({ ...FACTS, looks: false, upstreams: [] });
  assert.match(ignoring, /No inference server is set: jobs are accepted and wait\.\nStart again with one/);
});
