import { readConfig } from '@bora/server/config/config';
import type { Config } from '@bora/server/config/config';
import { ConfigError } from '@bora/server/config/config-error';
import type { OptionFlags } from '../option-flags.ts';
import type { Finding } from './finding.ts';

/** As the launcher demands it. */
const NEEDED_NODE = [22, 19] as const;

export function checkNode(version = process.versions.node): Finding {
  const [major, minor] = version.split('.').map(Number);
  const isEnough = major > NEEDED_NODE[0] || (major === NEEDED_NODE[0] && minor >= NEEDED_NODE[1]);
  if (isEnough) return { check: 'Node', state: 'ok', detail: `${version}, ${process.execPath}` };
  return {
    check: 'Node',
    state: 'fail',
    detail: `${version} is too old: Bora needs ${NEEDED_NODE.join('.')} or newer.`,
    whatToDo: 'Start Bora with npx bora, which finds the Node that npm brought, or install Node 24.',
  };
}

/** The configuration as `bora serve` would read it here, or null if it cannot be used. */
export function checkConfiguration(flags: OptionFlags): { config: Config | null; finding: Finding } {
  const check = 'configuration';
  try {
    const config = readConfig({ env: process.env, flags });
    return { config, finding: { check, state: 'ok', detail: 'flags, environment and bora.yaml agree' } };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const finding = {
      check,
      state: 'fail',
      detail: error.message,
      whatToDo: 'Mend this first: folder, port and upstreams are not looked at before.',
    } as const;
    return { config: null, finding };
  }
}
