import { defaultText } from '@bora/server/config/reference';
import { OPTIONS } from '@bora/server/config/options';
import type { OptionDefinition, OptionName } from '@bora/server/config/options';
import { Option } from 'commander';
import type { Command } from 'commander';

/** Values as commander reads them, by option name; absent where the flag was not given. */
export type OptionFlags = Readonly<Partial<Record<OptionName, string>>>;

/**
 * Adds flags of the server's table of options to a command. Neither defaults nor the environment are given to commander: the server's
 * configuration fills them in, so that flags, environment and `bora.yaml` are weighed in one place.
 */
export function addOptionFlags(command: Command, names: readonly OptionName[]): Command {
  for (const name of names) {
    const option: OptionDefinition = OPTIONS[name];
    const placeholder = option.type === 'number' ? '<n>' : option.type === 'list' ? '<list>' : '<text>';
    const description = `${option.description} (${option.env}; default ${defaultText(option)})`;
    command.addOption(new Option(`${option.flag} ${placeholder}`, description));
  }
  return command;
}

/** Only the server's options out of all that a command was given. */
export function optionFlagsOf(given: Readonly<Record<string, unknown>>): OptionFlags {
  return Object.fromEntries(Object.entries(given).filter(([name]) => name in OPTIONS));
}
