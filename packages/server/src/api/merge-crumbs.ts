import type { IncomingMessage } from 'node:http';

/** A chunk below it is a crumb. */
const CRUMB_BYTES = 1024;
const MERGED_BYTES = 16 * 1024;

/**
 * Hands crumbs of a body on together. A client may send each byte in an HTTP chunk of its own, and Node makes an object of 200 bytes and more
 * of each, in every buffer on the way: 250 such clients took 3 GB (measured).
 *
 * To be called before the first byte of the body. What came in one read from the socket is merged; nothing waits for what comes later.
 */
export function mergeCrumbs(request: IncomingMessage): void {
  const push = request.push.bind(request);
  let held = Buffer.alloc(0);
  let bytes = 0;
  let isScheduled = false;
  const flush = (): void => {
    if (bytes === 0) return;
    const merged = held.subarray(0, bytes);
    held = Buffer.alloc(0);
    bytes = 0;
    push(merged);
  };
  request.push = (chunk: Buffer | null): boolean => {
    if (chunk === null || chunk.byteLength >= CRUMB_BYTES || bytes + chunk.byteLength > MERGED_BYTES) flush();
    if (chunk === null || chunk.byteLength >= CRUMB_BYTES) return push(chunk);
    if (bytes + chunk.byteLength > held.byteLength) {
      const grown = Buffer.allocUnsafeSlow(Math.min(MERGED_BYTES, 2 * (bytes + chunk.byteLength)));
      held.copy(grown, 0, 0, bytes);
      held = grown;
    }
    chunk.copy(held, bytes);
    bytes += chunk.byteLength;
    if (!isScheduled) {
      isScheduled = true;
      setImmediate(() => {
        isScheduled = false;
        flush();
      });
    }
    // The socket is read on once somebody wants more than what is flushed.
    return false;
  };
}
