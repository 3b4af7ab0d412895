import { Command } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { addAuditCommand } from './commands/audit.ts';
import { addBackupCommand } from './commands/backup.ts';
import { addCancelCommand } from './commands/cancel.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addDeleteCommand } from './commands/delete.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addFilesCommand } from './commands/files.ts';
import { addKeysCommand } from './commands/keys.ts';
import { addLsCommand } from './commands/ls.ts';
import { addResultsCommand } from './commands/results.ts';
import { addRunCommand } from './commands/run.ts';
import { addServeCommand } from './commands/serve.ts';
import { addShowCommand } from './commands/show.ts';
import { addSimulateCommand } from './commands/simulate.ts';
import { addSubmitCommand } from './commands/submit.ts';
import { addUpstreamsCommand } from './commands/upstreams.ts';
import { addValidateCommand } from './commands/validate.ts';
import { addWatchCommand } from './commands/watch.ts';
import { addWorkspacesCommand } from './commands/workspaces.ts';
import { EXIT_CODE_HELP } from './exit-codes.ts';

/** The whole command, its subcommands in the order in which the help and docs/cli.md show them. */
export function createProgram(): Command {
  const program = new Command('bora')
    .description('Self-hosted batch inference: JSONL files of LLM requests in, result files out.')
    .version(manifest.version)
    .addHelpText('after', EXIT_CODE_HELP)
    .showHelpAfterError('(bora help shows how)')
    .exitOverride();

  program.commandsGroup('Run requests:');
  addRunCommand(program);
  addValidateCommand(program);

  program.commandsGroup('Serve:');
  addServeCommand(program);
  addDoctorCommand(program);
  addSimulateCommand(program);

  program.commandsGroup('Jobs and files of a running Bora:');
  addSubmitCommand(program);
  addLsCommand(program);
  addShowCommand(program);
  addWatchCommand(program);
  addResultsCommand(program);
  addCancelCommand(program);
  addDeleteCommand(program);
  addFilesCommand(program);

  program.commandsGroup('Administer:');
  addUpstreamsCommand(program);
  addKeysCommand(program);
  addWorkspacesCommand(program);
  addAuditCommand(program);
  addBackupCommand(program);

  program.commandsGroup('More:');
  addCompletionCommand(program);
  program.addHelpCommand(new Command('help').argument('[command]').description('display help for a command'));
  return program;
}
