import { Command, CommanderError } from 'commander';
import { addKeysCommand } from './commands/keys.ts';
import { addResultsCommand } from './commands/results.ts';
import { addRunCommand } from './commands/run.ts';
import { addServeCommand } from './commands/serve.ts';
import { addSubmitCommand } from './commands/submit.ts';
import { EXIT } from './exit-codes.ts';

const program = new Command('bora')
  .description('Self-hosted batch inference: JSONL files of LLM requests in, result files out.')
  .showHelpAfterError('(bora help shows how)')
  .exitOverride();

addServeCommand(program);
addRunCommand(program);
addSubmitCommand(program);
addResultsCommand(program);
addKeysCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Commander has said what is wrong; its own code for that is 1.
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
