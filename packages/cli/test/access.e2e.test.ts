import assert from 'node:assert/strict';
import { userInfo } from 'node:os';
import { test } from 'node:test';
import type { ApiKey, AuditEntry, Workspace, WorkspaceDetails } from '@bora/protocol/bora-access';
import { apiKey, auditEntry, workspace, workspaceDetails } from '@bora/protocol/bora-access';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { bora } from './bora-process.ts';
import type { Finished } from './bora-process.ts';

type Run = (...args: string[]) => Promise<Finished>;

function on(folder: string): { run: Run; json: <T>(line: string) => Promise<T> } {
  const run: Run = (...args) => bora(args, { env: { BORA_DATA: folder } });
  return {
    run,
    async json<T>(line: string) {
      const { stdout, stderr, code } = await run(...line.split(' '), '--json');
      assert.deepEqual([code, stderr], [0, ''], stdout);
      return JSON.parse(stdout) as T;
    },
  };
}

test('keys, workspaces and the audit log, changed beside a running Bora, which heeds each at once', async () => {
  await using whole = await startWholeBora();
  const { run, json } = on(whole.dataFolder);
  const made = await json<ApiKey & { key: string }>(
    'keys create --name laptop --user ada --workspace garden --scope read --expires 12h',
  );
  apiKey.parse(made);
  assert.deepEqual([made.user, made.scope], ['ada', 'read']);
  assert.equal(made.expires_at! - made.created_at, 12 * 3600);
  const writer = await json<ApiKey & { key: string }>('keys create --name ci --workspace garden');
  const upload = async (key: string): Promise<number> => {
    const body = new FormData();
    body.append('file', new File(['{"body":{"messages":[]}}\n'.repeat(3)], 'in.jsonl'));
    const headers = { authorization: `Bearer ${key}` };
    return (await fetch(`${whole.url}/v1/files`, { method: 'POST', body, headers })).status;
  };
  assert.deepEqual([await upload(made.key), await upload(writer.key)], [403, 200]);

  const limited = await json<Workspace>('workspaces limits garden --max-file-lines 2');
  workspace.parse(limited);
  assert.equal(limited.limits.max_file_lines, 2);
  assert.equal(await upload(writer.key), 413);
  await json('workspaces limits garden --max-file-lines default --max-stored-bytes 1KiB');
  assert.equal(await upload(writer.key), 200);
  const shown = await json<WorkspaceDetails>('workspaces show garden');
  assert.deepEqual(workspaceDetails.parse(shown).usage, {
    pending_requests: 0,
    active_jobs: 0,
    files: 2,
    stored_bytes: 150,
  });
  assert.match((await run('workspaces', 'show', 'garden')).stdout, /^stored bytes +150 of 1,024$/m);

  await run('workspaces', 'disable', 'garden', '--reason', 'It is winter.');
  assert.equal(await upload(writer.key), 403);
  assert.match((await run('workspaces', 'list')).stdout, /^garden +1 +disabled: It is winter\./m);
  await run('workspaces', 'enable', 'garden');
  assert.equal(await upload(writer.key), 200);
  await run('keys', 'revoke', writer.id);
  assert.equal(await upload(writer.key), 401);

  const { entries } = await json<{ entries: AuditEntry[] }>('audit --workspace garden');
  for (const entry of entries) auditEntry.parse(entry);
  assert.deepEqual(entries.map(({ action }) => action).toReversed(), [
    'workspace.create',
    'api_key.create',
    'api_key.create',
    'file.create',
    'workspace.limits',
    'workspace.limits',
    'file.create',
    'workspace.disable',
    'workspace.enable',
    'file.create',
    'api_key.revoke',
  ]);
  assert.deepEqual([entries[0].user, entries[0].ip], [userInfo().username, null]);
  assert.equal(entries.find(({ action }) => action === 'file.create')?.key_id, writer.id);

  const some = await run(
    'audit',
    '--action',
    'workspace.disable,workspace.enable',
    '--from',
    '1h',
    '--limit',
    '1',
  );
  assert.match(some.stdout, /workspace\.enable +garden/);
  assert.ok(!some.stdout.includes('workspace.disable'));
  assert.match(some.stderr, /Older ones: --before \d+/);
  assert.match((await run('audit', '--to', '2020-01-01')).stdout, /No entry matches/);
});

test('workspaces are made with their weight and limits, once, and told what a key needs', async () => {
  await using folder = await makeTemporaryFolder();
  const { run, json } = on(folder.path);
  const made = await json<Workspace>('workspaces create lab --weight 2.5 --max-pending-requests 100');
  assert.deepEqual([made.name, made.weight, made.limits.max_pending_requests], ['lab', 2.5, 100]);
  const again = await run('workspaces', 'create', 'lab');
  assert.deepEqual(
    [again.code, again.stderr.split('\n')[0]],
    [2, 'error: There is a workspace lab already.'],
  );
  const heavier = await run('workspaces', 'weight', 'lab', '4');
  assert.equal(heavier.stdout, 'lab: weight 4, own limits max-pending-requests 100, enabled\n');
});

test('what cannot be is refused with what to do and code 2', async () => {
  await using folder = await makeTemporaryFolder();
  const { run } = on(folder.path);
  const refusals: [string[], RegExp][] = [
    [['keys', 'list'], /no data folder of Bora.*\n.*--data/],
    [['keys', 'create'], /--name/],
    [['keys', 'create', '--name', 'x', '--scope', 'root'], /read, write, admin/],
    [['keys', 'create', '--name', 'x', '--expires', 'soon'], /12h or 90d/],
    [['workspaces', 'create', 'a', '--weight', '0'], /from 0\.01 to 1000/],
    [['workspaces', 'create', 'a', '--max-file-bytes', 'lots'], /whole number of bytes/],
    [['audit', '--action', 'guess'], /file\.create/],
  ];
  for (const [args, says] of refusals) {
    const { code, stderr } = await run(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, says, args.join(' '));
  }
  await run('workspaces', 'create', 'lab');
  for (const args of [
    ['workspaces', 'show', 'nowhere'],
    ['workspaces', 'limits', 'lab'],
    ['workspaces', 'disable', 'lab'],
    ['keys', 'revoke', 'nobody'],
  ]) {
    const { code, stderr } = await run(...args);
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
  }
});
