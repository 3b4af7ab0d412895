import { BlockList, isIP, isIPv6 } from 'node:net';

/**
 * Networks that nobody outside may be led to, or that lead to them in disguise (IANA special-purpose registries): of IPv6 all but
 * global unicast (2000::/3), and of that the tunnels and translations that carry an IPv4 address.
 */
const CLOSED_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
const CLOSED_IPV6 = ['::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

/** Says which addresses links in requests may lead to. */
export class AddressGuard {
  readonly #closed = new Networks([...CLOSED_IPV4, ...CLOSED_IPV6]);
  readonly #allowed: Networks;

  /** `allowed`: addresses or networks (`10.1.0.0/16`) that may be reached though they are closed to others. */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Networks(allowed);
  }

  /** False for anything that is no IP address. One with a zone (`fe80::1%eth0`) is of a local link. */
  admits(address: string): boolean {
    if (isIP(address) === 0 || address.includes('%')) return false;
    return this.#allowed.has(address) || !this.#closed.has(address);
  }
}

/** Two lists, because one would take each IPv4 address for the IPv6 address that it is mapped to, and so for a closed one. */
class Networks {
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() } as const;

  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address, prefix] = network.split('/');
      const family = familyOf(address);
      if (prefix === undefined) this.#lists[family].addAddress(address, family);
      else this.#lists[family].addSubnet(address, Number(prefix), family);
    }
  }

  has(address: string): boolean {
    const family = familyOf(address);
    return this.#lists[family].check(address, family);
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
