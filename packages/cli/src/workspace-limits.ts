import { readOptionValue } from '@bora/server/config/option-values';
import { OPTIONS } from '@bora/server/config/options';
import type { WorkspaceLimits } from '@bora/server/storage/ports/workspace-records';
import { WORKSPACE_LIMITS } from '@bora/server/storage/ports/workspace-records';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { countText } from './human-text.ts';

/** Given limits, as commander keeps them: it takes a null for a value that is missing. */
export type LimitFlags = Partial<Record<Limit, number | 'default'>>;

type Limit = (typeof WORKSPACE_LIMITS)[number];

/** A workspace's limits have the names, units and ranges of the options that hold for all. */
export function addLimitFlags(command: Command): Command {
  for (const limit of WORKSPACE_LIMITS) {
    const { flag, description, env } = OPTIONS[limit];
    const meaning = `${description} "default": as ${env} says`;
    command.addOption(new Option(`${flag} <n>`, meaning).argParser((text) => readLimit(limit, text)));
  }
  return command;
}

/** Only the limits out of all that a command was given. */
export function limitsOf(flags: LimitFlags): Partial<WorkspaceLimits> {
  const given = WORKSPACE_LIMITS.filter((limit) => flags[limit] !== undefined);
  return Object.fromEntries(given.map((limit) => [limit, flags[limit] === 'default' ? null : flags[limit]]));
}

/** Those that are set: `max-active-jobs 5, max-file-bytes 1,048,576`. */
export function limitsText(limits: WorkspaceLimits): string {
  return WORKSPACE_LIMITS.flatMap((limit) => {
    const value = limits[limit];
    return value === null ? [] : [`${OPTIONS[limit].flag.slice(2)} ${countText(value)}`];
  }).join(', ');
}

function readLimit(limit: Limit, text: string): number | 'default' {
  if (text === 'default') return text;
  try {
    return Number(readOptionValue(limit, text, OPTIONS[limit].flag));
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
