import { Command, CommanderError } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { addAuditCommand } from './commands/audit.ts';
import { addKeysCommand } from './commands/keys.ts';
import { addResultsCommand } from './commands/results.ts';
import { addRunCommand } from './commands/run.ts';
import { addServeCommand } from './commands/serve.ts';
import { addSimulateCommand } from './commands/simulate.ts';
import { addSubmitCommand } from './commands/submit.ts';
import { addUpstreamsCommand } from './commands/upstreams.ts';
import { addWorkspacesCommand } from './commands/workspaces.ts';
import { EXIT, EXIT_CODE_HELP } from './exit-codes.ts';

const program = new Command('bora')
  .description('Self-hosted batch inference: JSONL files of LLM requests in, result files out.')
  .version(manifest.version)
  .addHelpText('after', EXIT_CODE_HELP)
  .showHelpAfterError('(bora help shows how)')
  .exitOverride();

addServeCommand(program);
addRunCommand(program);
addSubmitCommand(program);
addResultsCommand(program);
addKeysCommand(program);
addWorkspacesCommand(program);
addAuditCommand(program);
addUpstreamsCommand(program);
addSimulateCommand(program);

// Whoever reads our output may stop early, as `head` does. That is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Commander has said what is wrong; its own code for that is 1.
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
