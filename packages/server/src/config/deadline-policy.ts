import { ConfigError } from './config-error.ts';

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * The least time of a job in milliseconds: 0 for `enforce`, so that its own time holds, Infinity for `none`.
 * @throws ConfigError
 */
export function readDeadlinePolicy(text: string): number {
  if (text === 'enforce') return 0;
  if (text === 'none') return Infinity;
  const [, amount, unit] = /^at-least +(\d{1,6}) *([mhd])$/.exec(text.trim()) ?? [];
  if (amount !== undefined) return Number(amount) * UNIT_MS[unit];
  throw new ConfigError(
    `BORA_DEADLINE_POLICY is ${JSON.stringify(text)}; it must be enforce, none, or at-least with minutes, hours or days, such as at-least 72h.`,
  );
}
