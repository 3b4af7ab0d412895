import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BATCH_ENDPOINTS } from '@bora/protocol/batch-endpoints';

const DEMO = fileURLToPath(new URL('../../../examples/demo.ts', import.meta.url));

test('the demo shows whole batches on every endpoint, says that a simulator answered, and what to do next', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bora-demo-'));
  try {
    const demo = spawn(process.execPath, [DEMO], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let shown = '';
    let said = '';
    demo.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
    demo.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = await once(demo, 'close');
    assert.deepEqual(ended, [0, null], `${said}${shown}`);
    assert.match(shown, /\/v1\/chat\/completions +2,000 +0/);
    assert.match(shown, /\/v1\/embeddings +20 +0/);
    assert.match(shown, /\/v1\/ocr +paper-01 +# Page 1 /);
    for (const endpoint of BATCH_ENDPOINTS) assert.match(shown, new RegExp(`${endpoint} +[\\d,]+ +0 `));
    assert.match(shown, /came from the simulator/);
    assert.match(shown, /BORA_UPSTREAM=http:\/\/localhost:8000 npm start/);
    const results = await readFile(join(folder, 'bora-demo', 'chat-results.jsonl'), 'utf8');
    const ids = results
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
    assert.equal(new Set(ids).size, 2_000);
    assert.equal(ids[0], 'sort-01-001');
    assert.equal(ids[1_999], 'chat-01-100');
  } finally {
    await rm(folder, { recursive: true });
  }
});
