import { parentPort } from 'node:worker_threads';
import { ContentPass } from './content-pass.ts';
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

/** From the worker: a chunk was read, and may be followed by another; or the result. */
export type PassReport =
  | { readonly stream: number; readonly kind: 'read'; readonly bytes: number }
  | { readonly stream: number; readonly kind: 'finished'; readonly result: PassResult };

const passes = new Map<number, ContentPass>();

parentPort?.on('message', (command: PassCommand) => {
  const { stream } = command;
  switch (command.kind) {
    case 'open':
      passes.set(stream, new ContentPass(command.pass, command.maxLineBytes));
      break;
    case 'chunk':
      passes.get(stream)?.push(command.bytes);
      report({ stream, kind: 'read', bytes: command.bytes.byteLength });
      break;
    case 'finish': {
      const result = passes.get(stream)?.finish();
      passes.delete(stream);
      if (result !== undefined) report({ stream, kind: 'finished', result });
      break;
    }
    case 'drop':
      passes.delete(stream);
      break;
  }
});

function report(message: PassReport): void {
  parentPort?.postMessage(message, []);
}
