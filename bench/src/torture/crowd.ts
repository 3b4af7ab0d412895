import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';

const LOOK_MS = 250;
/** So often alike, and nothing moves any more. */
const LOOKS_ALIKE = 8;
/** A crowd that is read slowly is looked at for so long. */
const MOST_LOOKS = 80;

/** What each of a crowd sends: a call that is never whole, or one whose answer it does not take. */
export interface CrowdCall {
  readonly head: string;
  /** Sent again and again behind it, up to so many bytes. */
  readonly repeated?: Buffer;
  readonly bytes?: number;
  readonly end?: string;
}

/** Many connections that send alike, and then neither send nor read. */
export class Crowd implements Disposable {
  readonly #sockets: readonly Socket[];

  constructor(url: string, size: number, call: CrowdCall) {
    const { hostname, port } = new URL(url);
    this.#sockets = Array.from({ length: size }, () => {
      const socket = connect({ host: hostname, port: Number(port) });
      // Bora may cut whom it refused.
      socket.on('error', () => socket.destroy());
      send(socket, call).catch(() => socket.destroy());
      return socket;
    });
  }

  /** Resolves when nobody gets rid of anything any more. */
  async rest(): Promise<void> {
    let before = '';
    for (let look = 0, alike = 0; alike < LOOKS_ALIKE && look < MOST_LOOKS; look += 1) {
      await setTimeout(LOOK_MS);
      const now = this.#sockets
        .map((socket) => socket.destroyed || [socket.bytesWritten, socket.writableLength])
        .join();
      alike = now === before ? alike + 1 : 0;
      before = now;
    }
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function send(
  socket: Socket,
  { head, repeated = Buffer.alloc(0), bytes = 0, end = '' }: CrowdCall,
): Promise<void> {
  await once(socket, 'connect');
  socket.write(head);
  for (let left = bytes; left > 0; left -= repeated.length) {
    if (!socket.write(repeated.subarray(0, left))) await once(socket, 'drain');
  }
  socket.write(end);
}
