import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';

const ROOT = resolve(import.meta.dirname, '../../..');
const ROOMS = roomsOf(readFileSync(join(ROOT, 'packages/server/README.md'), 'utf8'));

/** Folders that rooms have of their own. */
const FOLDERS: Readonly<Record<string, string>> = { api: 'mistral', batches: 'lines' };

/** Where a file of the room may lie. */
function placesOf(room: string): string[] {
  const folder = FOLDERS[room];
  return [`${room}/planted.ts`, ...(folder === undefined ? [] : [`${room}/${folder}/planted.ts`])];
}

/** The table of rooms as the README shows it: what each may import. */
function roomsOf(readme: string): Map<string, Set<string>> {
  const rows = readme.matchAll(/^\| `([a-z/]+)` .*\|([^|]*)\|$/gm);
  return new Map(
    [...rows].map(([, room = '', may = '']) => [room, new Set(may.match(/[a-z]+(?:\/[a-z]+)?/g))]),
  );
}

/** Plants each file in a folder with the same layout and answers, per file, the lines that the linter refuses. */
async function refusedLines(
  files: ReadonlyMap<string, readonly string[]>,
): Promise<Map<string, Set<number>>> {
  await using folder = await makeTemporaryFolder();
  copyFileSync(join(ROOT, '.oxlintrc.json'), join(folder.path, '.oxlintrc.json'));
  for (const [path, lines] of files) {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true });
    writeFileSync(join(folder.path, path), lines.join('\n'));
  }
  const linter = join(ROOT, 'node_modules/oxlint/bin/oxlint');
  const { stdout } = spawnSync(process.execPath, [linter, '--format', 'json'], {
    cwd: folder.path,
    encoding: 'utf8',
  });
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { code: string; filename: string; labels: { span: { line: number } }[] }[];
  };
  const refused = new Map([...files.keys()].map((path) => [path, new Set<number>()]));
  for (const { code, filename, labels } of diagnostics) {
    if (code.includes('no-restricted-imports')) refused.get(filename)?.add(labels[0]?.span.line ?? 0);
  }
  return refused;
}

test('the linter allows a room what the table of rooms says, and nothing else', async () => {
  assert.ok(ROOMS.size >= 12, `only ${ROOMS.size} rooms in the table`);
  const targets = [...ROOMS.keys(), 'main'];
  const importing = (place: string): string[] =>
    targets.map((target) => {
      const file = target === 'main' ? 'main.ts' : `${target}/other.ts`;
      const path = relative(dirname(place), file);
      return `export * from '${path.startsWith('.') ? path : `./${path}`}';`;
    });
  const places = [...ROOMS.keys()].flatMap((room) => placesOf(room).map((place) => ({ room, place })));
  const refused = await refusedLines(
    new Map(places.map(({ place }) => [`packages/server/src/${place}`, importing(place)])),
  );
  for (const { room, place } of places) {
    const lines = refused.get(`packages/server/src/${place}`);
    const allowed = targets.filter((_, index) => lines?.has(index + 1) !== true);
    const wanted = targets.filter((target) => target === room || ROOMS.get(room)?.has(target) === true);
    assert.deepEqual(allowed, wanted, `${place} may import`);
  }
});

test('packages import each other in one direction', async () => {
  const refused = await refusedLines(
    new Map([
      ['packages/protocol/src/a.ts', ["import 'zod';", "import '@bora/client';", "import 'node:fs';"]],
      [
        'packages/client/src/a.ts',
        [
          "import type { BatchJob } from '@bora/protocol/mistral-jobs';",
          "import { JOB_STATUSES } from '@bora/protocol/mistral-jobs';",
          "import { readFileSync } from 'node:fs';",
          'export { JOB_STATUSES, readFileSync, type BatchJob };',
        ],
      ],
      ['packages/simulator/src/a.ts', ["import 'node:fs';", "import '@bora/protocol/mistral-jobs';"]],
      [
        'packages/server/src/batches/a.ts',
        ["import 'node:http';", "import 'better-sqlite3';", "import 'undici';"],
      ],
    ]),
  );
  assert.deepEqual(
    [...refused.values()].map((lines) => [...lines].toSorted((a, b) => a - b)),
    [[2, 3], [1, 2, 3], [2], [1, 2, 3]],
  );
});
