import type { Command } from 'commander';
import { EXIT_CODE_HELP } from './exit-codes.ts';

/** Shows how a command is used, below its flags. Every command has one, which a test holds. */
export function withExample(command: Command, example: string): Command {
  return command.addHelpText('after', `\nExample:\n${example.replaceAll(/^/gm, '  ')}`);
}

/** For commands that end with the code of a job. */
export function withExitCodes(command: Command): Command {
  return command.addHelpText('after', EXIT_CODE_HELP);
}
