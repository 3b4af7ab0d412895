#!/usr/bin/env node
// Plain JavaScript for any Node: Bora itself needs 22.19 or newer, which npm may have installed beside it.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEEDED = [22, 19];
const PACKAGED_NODE = `node-linux-${process.arch}`;
// As in `npm start`: a smaller heap at the same speed, and fewer full collections (docs/performance.md). Only what runs for long gains by it.
const HEAP_FLAGS = ['--max-semi-space-size=16', '--initial-heap-size=64'];
/**
 * What is larger than a read of a socket (64 KiB) goes back to the system when it is freed. Left to itself glibc stops that with the first
 * long line, and keeps what a crowd of clients left behind (docs/performance.md). Other systems ignore it.
 */
const ENVIRONMENT = { MALLOC_MMAP_THRESHOLD_: '73728' };
const SERVES = ['serve', 'run'];

const main = join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'main.ts');
const flags = SERVES.includes(process.argv[2]) ? HEAP_FLAGS : [];
const env = flags.length === 0 ? process.env : { ...ENVIRONMENT, ...process.env };
const isFlagged = flags.every((flag) => process.execArgv.includes(flag));

const [major, minor] = process.versions.node.split('.').map(Number);
if (!(major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]))) runWith(packagedNode());
else if (isFlagged) await import(main);
// V8 sets up its heap before any script runs, so Node starts again: in this very process, where the system can.
else if (process.execve && process.platform !== 'win32')
  process.execve(
    process.execPath,
    [process.execPath, ...process.execArgv, ...flags, main, ...process.argv.slice(2)],
    env,
  );
else runWith(process.execPath);

/** @returns {string | null} */
function packagedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve(`${PACKAGED_NODE}/package.json`);
    return join(dirname(manifest), 'bin', 'node');
  } catch {
    return null;
  }
}

/** @param {string | null} node */
function runWith(node) {
  if (node === null) {
    console.error(
      `error: Bora needs Node ${NEEDED.join('.')} or newer, and this is Node ${process.versions.node}.\n` +
        `  The npm package ${PACKAGED_NODE} would bring one, but it is not installed.\n` +
        `  Install Node 24, or run: npm install ${PACKAGED_NODE}@24`,
    );
    process.exitCode = 1;
    return;
  }
  const child = spawn(node, [...flags, main, ...process.argv.slice(2)], { stdio: 'inherit', env });
  // The terminal sends Ctrl-C to both; the child decides what it means. Other signals reach only this process.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`error: Could not start ${node}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : 1);
  });
}
