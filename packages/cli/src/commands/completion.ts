import type { Command } from 'commander';
import { Argument } from 'commander';
import { withExample } from '../command-help.ts';
import { completionScript, SHELLS } from '../completion-scripts.ts';
import type { Shell } from '../completion-scripts.ts';
import { completedCommands } from '../completion-words.ts';

export function addCompletionCommand(program: Command): void {
  const command = program
    .command('completion')
    .description('print a script that makes your shell complete commands, flags and their values')
    .addArgument(new Argument('<shell>', 'the shell that is to complete').choices(SHELLS));
  withExample(
    command,
    [
      "bash:  echo 'source <(bora completion bash)' >> ~/.bashrc",
      "zsh:   echo 'source <(bora completion zsh)' >> ~/.zshrc",
      'fish:  bora completion fish > ~/.config/fish/completions/bora.fish',
    ].join('\n'),
  ).action((shell: Shell) => {
    process.stdout.write(completionScript(shell, completedCommands(program)));
  });
}
