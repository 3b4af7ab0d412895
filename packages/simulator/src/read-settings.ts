import { z } from 'zod';
import { distributionOfText, distributionSchema, distributionText } from './distribution.ts';
import { SETTING_NAMES, SETTINGS } from './settings.ts';
import type { SettingDefinition, SettingName, SimulatorSettings } from './settings.ts';

/** A setting that cannot be used. The message names it, says what was given and what it must be. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

const RATES = SETTING_NAMES.filter((name) => name.startsWith('rate'));

const SCHEMAS = Object.fromEntries(SETTING_NAMES.map((name) => [name, schemaOf(SETTINGS[name])])) as Readonly<
  Record<SettingName, z.ZodType>
>;

/**
 * `current` with `changes` on top, checked. A member that is undefined changes nothing.
 * @throws SettingsError
 */
export function changeSettings(
  current: SimulatorSettings,
  changes: Readonly<Record<string, unknown>>,
): SimulatorSettings {
  const changed: Record<string, unknown> = { ...current };
  for (const [name, value] of Object.entries(changes)) {
    if (!isSetting(name)) {
      throw new SettingsError(`There is no setting ${name}. Known are: ${SETTING_NAMES.join(', ')}.`);
    }
    if (value === undefined) continue;
    const result = SCHEMAS[name].safeParse(value);
    if (!result.success) {
      throw new SettingsError(
        `${name} is ${JSON.stringify(value)}, but it must be ${rangeText(SETTINGS[name])}.`,
      );
    }
    changed[name] = result.data;
  }
  const settings = changed as unknown as SimulatorSettings;
  const sum = RATES.reduce((total, name) => total + (settings[name] as number), 0);
  if (sum > 1 + 1e-9) {
    throw new SettingsError(
      `The failure rates add up to ${sum}, but a request fails in one way at most. Lower them to 1 in all.`,
    );
  }
  return settings;
}

/**
 * Settings as a command line or an environment writes them: `"0.1"`, `"a,b"`, `"20..80"`, `"true"`, by name.
 * What is absent stays absent. To be checked by whoever starts the simulator.
 */
export function settingsFromText(
  texts: Readonly<Record<string, string | boolean | undefined>>,
): Partial<SimulatorSettings> {
  const values: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(texts)) {
    if (text !== undefined) values[name] = isSetting(name) ? valueOfText(SETTINGS[name], text) : text;
  }
  return values;
}

/** The flag of a setting on a command line: `latencyMs` is `--latency-ms`, `rate429` is `--rate-429`. */
export function flagOf(name: SettingName): string {
  return `--${name.replace(/[A-Z]|\d+/g, (part) => `-${part.toLowerCase()}`)}`;
}

/** What a value of this setting must be, in words, as in "a whole number from 1 to 10, in ms". */
export function rangeText(definition: SettingDefinition): string {
  const unit = definition.unit === undefined ? '' : `, in ${definition.unit}`;
  switch (definition.kind) {
    case 'text':
      return 'a text that is not empty';
    case 'list':
      return 'one or more names, separated by commas';
    case 'switch':
      return 'true or false';
    case 'whole':
      return `a whole number from ${definition.min} to ${definition.max}${unit}`;
    case 'number':
      return `a number from ${definition.min} to ${definition.max}${unit}`;
    case 'distribution':
      return `a number such as 50, a range such as 20..80 or p50=50,p99=400, from ${definition.min} to ${definition.max}${unit}`;
  }
}

/** A value, such as a default, as a person would write it. */
export function valueText(value: SimulatorSettings[SettingName]): string {
  if (value === null) return 'none';
  if (typeof value !== 'object') return String(value);
  return 'length' in value ? value.join(',') : distributionText(value);
}

function isSetting(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

function schemaOf(definition: SettingDefinition): z.ZodType {
  const schema = valueSchemaOf(definition);
  return definition.default === null ? schema.nullable() : schema;
}

function valueSchemaOf(definition: SettingDefinition): z.ZodType {
  switch (definition.kind) {
    case 'text':
      return z.string().min(1);
    case 'list':
      return z.array(z.string().min(1)).min(1);
    case 'switch':
      return z.boolean();
    case 'whole':
      return z.int().min(definition.min).max(definition.max);
    case 'number':
      return z.number().min(definition.min).max(definition.max);
    case 'distribution':
      return distributionSchema(definition.min, definition.max);
  }
}

/** What cannot be read comes back as it is, for the check to refuse with the text in its message. */
function valueOfText(definition: SettingDefinition, text: string | boolean): unknown {
  if (typeof text === 'boolean') return text;
  switch (definition.kind) {
    case 'text':
      return text;
    case 'list':
      return text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
    case 'switch':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'distribution':
      return distributionOfText(text);
    case 'whole':
    case 'number':
      return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
  }
}
