import { InvalidArgumentError } from 'commander';

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000 };

/** A moment to come, `90d`, `12h` or a date, as a function of now: milliseconds since the epoch. */
export function readExpiry(text: string): (now: number) => number {
  const span = spanOf(text);
  if (span !== null) return (now) => now + span;
  const at = dateOf(text);
  return () => at;
}

/** A moment past, `7d` ago, `12h` ago or a date, as a function of now: milliseconds since the epoch. */
export function readPast(text: string): (now: number) => number {
  const span = spanOf(text);
  if (span !== null) return (now) => now - span;
  const at = dateOf(text);
  return () => at;
}

function spanOf(text: string): number | null {
  const match = /^(\d+)([hd])$/.exec(text);
  return match === null ? null : Number(match[1]) * UNITS[match[2]];
}

/** A date without a zone means UTC, wherever the command runs. */
function dateOf(text: string): number {
  const hasZone = /(?:Z|[+-]\d\d:?\d\d)$/i.test(text);
  const at = Date.parse(text.includes('T') && !hasZone ? `${text}Z` : text);
  if (Number.isNaN(at) || !/^\d{4}-/.test(text))
    throw new InvalidArgumentError('It must be a span such as 12h or 90d, or a date such as 2027-01-31.');
  return at;
}
