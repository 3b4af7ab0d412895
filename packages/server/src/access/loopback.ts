import { BlockList, isIP } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether only programs on this machine can reach a server that listens on `host`. Names other than `localhost` cannot be trusted to. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (bare === 'localhost') return true;
  const family = isIP(bare);
  return family !== 0 && LOOPBACK.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}

/** Bora would answer everybody who can reach it, without a key. */
export class OpenToEverybody extends Error {
  override readonly name = 'OpenToEverybody';
  /** Permanent code, listed in docs/errors.md. */
  readonly code = 'open_to_everybody';

  constructor(host: string) {
    super(
      `Bora was told to listen on ${host}, which other machines can reach, but no API key exists, so anybody could read and ` +
        'start jobs. Make a key first with "bora keys create", or listen on 127.0.0.1.',
    );
  }
}

/** @throws OpenToEverybody for a host beyond loopback while no key exists. */
export function checkBinding(host: string, hasKeys: boolean): void {
  if (!hasKeys && !isLoopback(host)) throw new OpenToEverybody(host);
}
