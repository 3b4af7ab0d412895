import { parentPort } from 'node:worker_threads';
import { ContentPass } from './content-pass.ts';
import { uploadIndexMemory } from './index-memory.ts';
import type { PassKind, PassResult } from './content-pass.ts';

/** To the worker. Messages of one stream come in order: `open`, `chunk`…, then `finish` or `drop`. */
export type PassCommand =
  | {
      readonly stream: number;
      readonly kind: 'open';
      readonly pass: PassKind;
      readonly maxLineBytes?: number | undefined;
    }
  | { readonly stream: number; readonly kind: 'chunk'; readonly bytes: Uint8Array }
  | { readonly stream: number; readonly kind: 'finish' }
  | { readonly stream: number; readonly kind: 'drop' };

/** From the worker: a chunk was read, and may be followed by another; or the result. Cuts come in order, the rest with the result. */
export type PassReport =
  | {
      readonly stream: number;
      readonly kind: 'read';
      readonly bytes: number;
      readonly cuts: Uint8Array | null;
    }
  | { readonly stream: number; readonly kind: 'finished'; readonly result: PassResult };

const passes = new Map<number, ContentPass>();
const memory = uploadIndexMemory();

parentPort?.on('message', (command: PassCommand) => {
  const { stream } = command;
  switch (command.kind) {
    case 'open':
      passes.set(stream, new ContentPass(command.pass, command.maxLineBytes, memory));
      break;
    case 'chunk': {
      const pass = passes.get(stream);
      pass?.push(command.bytes);
      report({ stream, kind: 'read', bytes: command.bytes.byteLength, cuts: pass?.takeCuts() ?? null });
      break;
    }
    case 'finish': {
      const result = passes.get(stream)?.finish();
      forget(stream);
      if (result !== undefined) report({ stream, kind: 'finished', result });
      break;
    }
    case 'drop':
      forget(stream);
      break;
  }
});

function forget(stream: number): void {
  passes.get(stream)?.drop();
  passes.delete(stream);
}

function report(message: PassReport): void {
  parentPort?.postMessage(message, []);
}
