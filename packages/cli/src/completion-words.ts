import type { Command } from 'commander';

/** What can be typed behind a command. */
export interface CompletedCommand {
  /** Its words behind `bora`: none for `bora` itself, then for example `files`, `upload`. */
  readonly path: readonly string[];
  /** Commands below it, or the values of its argument that it knows. */
  readonly words: readonly CompletedWord[];
  readonly flags: readonly CompletedFlag[];
}

interface CompletedWord {
  readonly word: string;
  readonly about: string;
}

interface CompletedFlag extends CompletedWord {
  readonly takesValue: boolean;
  /** The values it knows; empty where it takes any. */
  readonly choices: readonly string[];
}

/** Every command of the table, a command before those below it. */
export function completedCommands(command: Command, path: readonly string[] = []): CompletedCommand[] {
  const subcommands = command.commands.map((sub) => ({ word: sub.name(), about: firstSentence(sub) }));
  const flags = command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({
      word: option.long ?? option.flags,
      about: option.description,
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
    }));
  const values = command.registeredArguments.flatMap(({ argChoices = [] }) =>
    argChoices.map((word) => ({ word, about: 'value' })),
  );
  const below = command.commands.flatMap((sub) => completedCommands(sub, [...path, sub.name()]));
  return [{ path, words: [...subcommands, ...values], flags }, ...below];
}

function firstSentence(command: Command): string {
  const text = command.summary() || command.description();
  return text.split(/\.\s|\n/, 1)[0].replace(/\.$/, '');
}
