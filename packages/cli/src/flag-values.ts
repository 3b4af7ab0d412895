import { InvalidArgumentError, Option } from 'commander';

/** The largest page of the API. */
const LARGEST_PAGE = 1_000;

/** How many of a list are shown: one page of the API. */
export function limitOption(things: string): Option {
  return new Option('--limit <n>', `most ${things} shown, 1 to ${LARGEST_PAGE}`)
    .argParser((text) => readWhole(text, 1, LARGEST_PAGE))
    .default(20);
}

/** @throws InvalidArgumentError unless it is a whole number from `least` to `most`. */
function readWhole(text: string, least: number, most: number): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isInteger(number) && number >= least && number <= most) return number;
  throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
}

/** Gathers `key=value` flags that may be repeated. */
export function addPair(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be key=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
