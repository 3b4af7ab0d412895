import type { Command } from 'commander';
import { createProgram } from './program.ts';

/** Behind this line docs/cli.md is generated. */
const MARK = '<!-- Generated from the commands: npm run docs:cli -->\n';

/** docs/cli.md as it should be: its own words, then the help of every command as it prints it. */
export function cliPage(page: string): string {
  const [words] = page.split(MARK);
  return `${words}${MARK}\n${sections(createProgram()).join('\n')}`;
}

function sections(command: Command, path = 'bora'): string[] {
  const section = `## ${path}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`;
  return [section, ...command.commands.flatMap((sub) => sections(sub, `${path} ${sub.name()}`))];
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 100 });
  command.outputHelp();
  return text.trim();
}
