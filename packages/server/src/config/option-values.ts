import { ConfigError } from './config-error.ts';
import { OPTIONS } from './options.ts';
import type { OptionDefinition, OptionName } from './options.ts';

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30 };

/**
 * Reads one option as written in the environment, on the command line or in `bora.yaml`; `writtenAs` is how the reader knows it.
 * @throws ConfigError
 */
export function readOptionValue(
  name: OptionName,
  raw: unknown,
  writtenAs: string,
): string | number | string[] {
  const option: OptionDefinition = OPTIONS[name];
  if (option.type === 'number') return readNumber(option, raw, writtenAs);
  if (option.type === 'list') return readList(raw, writtenAs);
  if (typeof raw !== 'string' || raw.trim() === '') {
    throw new ConfigError(`${writtenAs} must be text, but is ${JSON.stringify(raw)}.`);
  }
  if (option.choices !== undefined && !option.choices.includes(raw)) {
    throw new ConfigError(
      `${writtenAs} is ${JSON.stringify(raw)}; it must be one of ${option.choices.join(', ')}.`,
    );
  }
  return raw;
}

function readNumber(option: OptionDefinition, raw: unknown, writtenAs: string): number {
  const match = /^(\d+)\s*([a-z]*)$/i.exec(String(raw).trim());
  const factor = match === null ? undefined : BYTE_UNITS[match[2].toUpperCase()];
  const isPlain = match?.[2] === '';
  if (match === null || factor === undefined || (!isPlain && option.unit !== 'bytes')) {
    const example =
      option.unit === 'bytes' ? 'a whole number of bytes, such as 1048576 or 1MiB' : 'a whole number';
    throw new ConfigError(`${writtenAs} is ${JSON.stringify(raw)}; it must be ${example}.`);
  }
  const value = Number(match[1]) * factor;
  const { min = 0, max = Number.MAX_SAFE_INTEGER, unit = '' } = option;
  if (value < min || value > max) {
    const range = option.max === undefined ? `at least ${min}` : `${min} to ${max}`;
    throw new ConfigError(`${writtenAs} is ${value}; it must be ${`${range} ${unit}`.trim()}.`);
  }
  return value;
}

function readList(raw: unknown, writtenAs: string): string[] {
  const items: unknown[] = Array.isArray(raw) ? raw : String(raw).split(',');
  const texts = items.map((item) => String(item).trim()).filter((item) => item !== '');
  if (texts.length === 0) throw new ConfigError(`${writtenAs} is empty; name at least one, or leave it out.`);
  return texts;
}
