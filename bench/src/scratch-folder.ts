import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

const left = new Set<string>();
process.on('exit', () => {
  for (const path of left) rmSync(path, { recursive: true, force: true });
});

export interface ScratchFolder extends AsyncDisposable {
  readonly path: string;
}

/** An empty folder in `parent`; it is removed when disposed, and at the latest when this process ends. */
export async function makeScratchFolder(parent: string): Promise<ScratchFolder> {
  const path = await mkdtemp(join(parent, 'bora-bench-'));
  left.add(path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
      left.delete(path);
    },
  };
}
