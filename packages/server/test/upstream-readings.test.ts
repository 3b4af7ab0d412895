import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  errorMessage,
  isAborted,
  saysQuotaIsUsedUp,
  usageInPiece,
} from '../src/upstreams/answer-contents.ts';
import { errorCode, networkFailureOf } from '../src/upstreams/network-failures.ts';
import { duration } from '../src/upstreams/reasons.ts';
import { retryAfterMs } from '../src/upstreams/retry-after.ts';

const FRESH = { answerBegun: false, connectionUsed: false };
const NOW = Date.UTC(2026, 0, 1);

function failed(code: string): Error {
  return Object.assign(new Error(code), { code });
}

test('error codes of the network are told apart by what the upstream can have seen', () => {
  const failures = [
    'ECONNREFUSED',
    'ENOTFOUND',
    'UND_ERR_CONNECT_TIMEOUT',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'EMFILE',
    'ECONNRESET',
    'UND_ERR_SOCKET',
    'HPE_INVALID_CONSTANT',
  ].map((code) => networkFailureOf(failed(code), FRESH));
  assert.deepEqual(failures, [
    'refused',
    'dns',
    'unreachable',
    'tls',
    'tls',
    'local',
    'reset',
    'reset',
    'cut',
  ]);
  assert.equal(networkFailureOf(failed('ECONNRESET'), { ...FRESH, connectionUsed: true }), 'stale');
  assert.equal(networkFailureOf(failed('ECONNRESET'), { answerBegun: true, connectionUsed: true }), 'cut');
});

test('a host with several addresses fails as its first address does', () => {
  const error = new AggregateError([failed('ECONNREFUSED'), failed('ENETUNREACH')]);
  assert.equal(errorCode(error), 'ECONNREFUSED');
  assert.equal(networkFailureOf(error, FRESH), 'refused');
});

test('what an upstream says about waiting is read, and nonsense is not', () => {
  assert.equal(retryAfterMs({ 'retry-after': '1.5' }, null, NOW), 1500);
  assert.equal(retryAfterMs({ 'retry-after': '0' }, null, NOW), 0);
  assert.equal(retryAfterMs({ 'retry-after': 'Wed, 31 Dec 2025 23:59:59 GMT' }, null, NOW), 0);
  assert.equal(retryAfterMs({ 'retry-after': 'soon' }, null, NOW), null);
  assert.equal(retryAfterMs({ 'retry-after': '-3' }, 'Try again in 2 seconds.', NOW), 2000);
  assert.equal(retryAfterMs({}, 'Please try again in 1.2s.', NOW), 1200);
  assert.equal(retryAfterMs({}, 'Try again later.', NOW), null);
});

test('usage is found in a piece of an answer, and text that looks like it is not', () => {
  const usage = '"usage": {"prompt_tokens":3,"completion_tokens":4,"details":{"cached":1}}';
  const found = { inputTokens: 3, outputTokens: 4 };
  const none = { inputTokens: 0, outputTokens: 0 };
  const read = (text: string): unknown => usageInPiece(Buffer.from(text));
  assert.deepEqual(read(`0.5,0.25]}],${usage}}`), found);
  assert.deepEqual(read(`${usage},"tokens":["usage","usage"]`), found);
  assert.deepEqual(read(JSON.stringify({ text: `{${usage}}` })), none);
  assert.deepEqual(read('"usage":null}'), none);
  assert.deepEqual(read('"usage":{"prompt_tokens":3'), none);
  assert.deepEqual(read('"usage"'), none);
});

test('only finish reasons make an answer aborted, not words in its text', () => {
  assert.equal(isAborted({ choices: [{ finish_reason: 'error' }] }), true);
  assert.equal(isAborted({ choices: [{ finish_reason: 'stop', message: { content: 'abort' } }] }), false);
  assert.equal(isAborted({ choices: [{ finish_reason: 'stop' }], error: 'error' }), false);
  assert.equal(isAborted({ choices: [], finish_reason: 'abort' }), false);
});

test('error bodies of every known shape give their sentence and their quota', () => {
  for (const body of [
    { error: { message: 'x' } },
    { error: 'x' },
    { object: 'error', message: 'x' },
    { detail: 'x' },
  ]) {
    assert.equal(errorMessage(body), 'x');
  }
  for (const body of [undefined, null, [], 'x', { detail: [{ msg: 'x' }] }])
    assert.equal(errorMessage(body), null);
  assert.equal(saysQuotaIsUsedUp({ error: { type: 'insufficient_quota', code: null } }), true);
  assert.equal(saysQuotaIsUsedUp({ code: 'insufficient_quota' }), true);
  assert.equal(saysQuotaIsUsedUp({ error: { type: 'rate_limit' } }), false);
});

test('durations are told in the unit a person would use', () => {
  assert.deepEqual([0, 14_400, 119_000, 180_000, 7_200_000].map(duration), [
    '0 s',
    '14 s',
    '119 s',
    '3 min',
    '2 h',
  ]);
});
