import { spawnSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = import.meta.dirname;
const SOURCE = resolve(HERE, '..');
const LICENSE = resolve(SOURCE, '../../LICENSE');

interface Manifest {
  readonly [member: string]: unknown;
}

/**
 * Writes the package as it is published into an empty `folder`: JavaScript, declarations that need nothing but the DOM's types or Node's,
 * and a manifest. In the workspace the sources run as they stand; this is for everybody else.
 * @throws Error with the compiler's words if it does not compile without the types of Node.
 */
export function buildPackage(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin/tsc');
  const compiled = spawnSync(
    process.execPath,
    [compiler, '-p', join(HERE, 'tsconfig.json'), '--outDir', folder],
    { encoding: 'utf8' },
  );
  if (compiled.status !== 0) throw new Error(`The client does not compile.\n${compiled.stdout}`);
  for (const name of globSync('*.d.ts', { cwd: folder })) {
    const path = join(folder, name);
    // The compiler rewrites the imports of JavaScript alone.
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/(from '\.\/[a-z-]+)\.ts'/g, "$1.js'"));
  }
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`);
  copyFileSync(join(SOURCE, 'README.md'), join(folder, 'README.md'));
  copyFileSync(LICENSE, join(folder, 'LICENSE'));
}

/** The workspace's own, with what was built in place of the sources. */
function manifest(): Manifest {
  const { name, version, description, license, type, engines } = JSON.parse(
    readFileSync(join(SOURCE, 'package.json'), 'utf8'),
  ) as Manifest;
  const exports = {
    '.': { types: './client.d.ts', default: './client.js' },
    './*': { types: './*.d.ts', default: './*.js' },
  };
  return { name, version, description, license, type, sideEffects: false, exports, engines };
}
