import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { ERROR_CODES } from '@bora/server/api/error-codes';
import { FETCH_REFUSALS } from '@bora/server/upstreams/fetch-refusal';
import { STOP_POINTS } from '@bora/server/observe/stop-points';

const ROOT = resolve(import.meta.dirname, '../../..');
const PAGES = globSync('**/*.md', { cwd: ROOT, exclude: (name) => name.includes('node_modules') });

function read(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** What stands in the text between two marks, for each place where it does. */
function all(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, found = '']) => found);
}

test('every link between documents, and to files, leads somewhere', () => {
  const links = PAGES.flatMap((page) =>
    all(read(page), /\]\(([^)\s]+)\)/g)
      .filter((target) => !/^[a-z]+:|^#/.test(target))
      .map((target) => ({ page, target, path: join(ROOT, dirname(page), target.replace(/#.*$/, '')) })),
  );
  assert.ok(links.length > 50, `only ${links.length} links found`);
  const broken = links.filter(({ path }) => !existsSync(path));
  assert.deepEqual(
    broken.map(({ page, target }) => `${page}: ${target}`),
    [],
  );
});

test('the index of the documentation links every page of it, once', () => {
  const linked = all(read('docs/README.md'), /\]\(([^)\s]+\.md)\)/g).filter(
    (target) => !target.startsWith('../'),
  );
  const pages = PAGES.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md');
  assert.deepEqual(linked.map((target) => `docs/${target}`).toSorted(), pages.toSorted());
});

test('the table of stop points lists exactly those there are', () => {
  assert.deepEqual(all(read('docs/04-storage.md'), /^\| `([a-z]+\.(?!ts`)[a-z-]+)`/gm), [...STOP_POINTS]);
});

test('source files that documents name are there', () => {
  const named = PAGES.filter((page) => page.startsWith('docs/') || page === 'ARCHITECTURE.md').flatMap(
    (page) => all(read(page), /`([a-z]+(?:\/[a-z-]+)+\.ts)`/g).map((path) => ({ page, path })),
  );
  assert.ok(named.length > 15, `only ${named.length} files named`);
  const missing = named.filter(({ path }) => !existsSync(join(ROOT, 'packages/server/src', path)));
  assert.deepEqual(missing, []);
});

test('the page of failures names only codes that the page of errors explains', () => {
  const explained = new Set(all(read('docs/errors.md'), /^\| `([a-z_]+)`/gm));
  for (const code of Object.keys({ ...ERROR_CODES, ...FETCH_REFUSALS })) assert.ok(explained.has(code), code);
  const named = all(read('docs/failures.md'), /`([a-z]+(?:_[a-z]+)+)`/g).filter(
    (word) => !OTHER_WORDS.has(word),
  );
  assert.ok(named.length > 5, `only ${named.length} codes named`);
  assert.deepEqual(
    named.filter((code) => !explained.has(code)),
    [],
  );
});

test('each failure says what is seen and what to do, and names tests that are there', () => {
  const failures = read('docs/failures.md').split(/^### /m).slice(1);
  assert.ok(failures.length > 30, `only ${failures.length} failures`);
  const faults = failures.flatMap((failure) => {
    const tests = [...(failure.split('- **Tests:** ')[1] ?? '').matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)];
    const isWhole = tests.length > 0 && /^- \*\*You see:.*^- \*\*Do:/ms.test(failure);
    const missing = tests.filter(([, title = '', path = '']) => !hasTest(join('docs', path), title));
    return [...(isWhole ? [] : [failure.split('\n', 1)]), ...missing.map(([link]) => link)];
  });
  assert.deepEqual(faults, []);
});

test('all that clients rely on names tests, or rows of their tables, that are there', () => {
  const claims = all(read('docs/conformance.md'), /^- (.+)$/gm);
  assert.ok(claims.length > 30, `only ${claims.length} claims`);
  const faults = claims.flatMap((claim) => {
    const tests = [...claim.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)];
    const missing = tests.filter(([, title = '', path = '']) => {
      const file = join('docs', path);
      return !hasTest(file, title) && !hasRow(file, title);
    });
    return tests.length === 0 ? [claim] : missing.map(([link]) => link);
  });
  assert.deepEqual(faults, []);
});

/** Whether a test in the file has this title, with anything in place of what its title computes. */
function hasTest(path: string, title: string): boolean {
  return isAmong(read(path).matchAll(/\b(?:test|it|describe)\(\s*(['"`])((?:(?!\1).)+)\1/gs), title);
}

/** Whether a row of a table in the file begins with this name, which its tests have in their titles. */
function hasRow(path: string, name: string): boolean {
  return isAmong(read(path).matchAll(/\[\s*(['`])((?:(?!\1).)+)\1,/g), name);
}

function isAmong(texts: Iterable<RegExpExecArray>, text: string): boolean {
  return [...texts].some(([, , pattern = '']) => {
    const fixed = pattern.split(/\$\{.+?\}/s);
    const escaped = fixed.map((each) => each.replace(/[.*+?()|[\]]/g, '\\$&'));
    return fixed.join('').length > text.length / 2 && new RegExp(`^${escaped.join('.+')}$`).test(text);
  });
}

/** Keys of `bora.yaml` and members of a job, which look like codes. */
const OTHER_WORDS = new Set(['timeout_seconds', 'max_in_flight', 'timeout_hours', 'file_url']);
