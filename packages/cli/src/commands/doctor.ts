import { styleText } from 'node:util';
import { DEFAULT_BASE_URL } from '@bora/client';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { withExample } from '../command-help.ts';
import { checkConfiguration, checkNode } from '../doctor/environment.ts';
import { checkFolder, checkHolder } from '../doctor/data-folder.ts';
import { inspectData } from '../doctor/inspect-data.ts';
import { checkPort } from '../doctor/port.ts';
import { checkServer } from '../doctor/server.ts';
import { checkUpstreams } from '../doctor/upstreams.ts';
import type { Finding } from '../doctor/finding.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { addOptionFlags, optionFlagsOf } from '../option-flags.ts';
import type { Output } from '../output.ts';
import { callServer } from '../run-action.ts';
import type { ServerCall } from '../run-action.ts';
import { addServerFlags } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';

interface DoctorFlags extends ServerFlags {
  readonly data?: string;
  readonly repair?: boolean;
}

const EXIT_CODES = `
Exit codes: 0 all is well, or all damage was repaired; 7 a check failed, or damage remains; 2 the folder cannot be
checked: there is no Bora in it, one runs on it, or another version wrote it.`;

const COLORS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .summary('look whether Bora can work here')
    .description(
      'Looks whether Bora can work here: Node, configuration, data folder, port, upstreams, and the Bora that runs. ' +
        'Each line is ok, warn or fail, with what to do. Nothing is changed. With --data it reads what lies in a data ' +
        'folder instead, while no Bora runs on it, and tells what is damaged.',
    )
    .option('--data <folder>', 'check what lies in this data folder, and nothing else')
    .option(
      '--repair',
      'with --data: remove what nothing refers to; whatever would lose something is only told',
    );
  addOptionFlags(command, ['config', 'host', 'port', 'upstream', 'upstreamApiKey']);
  withExample(
    addServerFlags(command),
    'bora doctor --upstream http://localhost:8000\nbora doctor --data /var/lib/bora --repair',
  )
    .addHelpText('after', EXIT_CODES)
    .action((flags: DoctorFlags) => callServer(flags, (call) => run(flags, call)));
}

function run({ data, repair = false, ...flags }: DoctorFlags, call: ServerCall): Promise<ExitCode> {
  if (data !== undefined) return inspectData(data, repair, call);
  if (repair) {
    throw new CliError('--repair needs --data: only what lies in a data folder can be repaired.', {
      exitCode: EXIT.usage,
    });
  }
  return doctor(flags, call);
}

async function doctor(flags: ServerFlags, call: ServerCall): Promise<ExitCode> {
  const { config, finding } = checkConfiguration(optionFlagsOf({ ...flags }));
  const ofServer = checkServer(call.client, flags.url !== DEFAULT_BASE_URL, call.signal);
  const ofMachine =
    config === null
      ? []
      : [checkFolder(config), checkHolder(config), checkPort(config), checkUpstreams(config, call.signal)];
  const findings = [checkNode(), finding, ...(await Promise.all([...ofMachine, ofServer])).flat()];
  call.signal.throwIfAborted();
  const ok = findings.every(({ state }) => state !== 'fail');
  call.output.result({ ok, checks: findings }, findings.map((found) => findingText(found)).join('\n'));
  if (!call.output.json) sayVerdict(findings, call.output);
  return ok ? EXIT.ok : EXIT.checkFailed;
}

function findingText({ check, state, detail, whatToDo }: Finding): string {
  // Written plain where stdout is no terminal.
  const word = styleText(COLORS[state], state.padEnd(4), { stream: process.stdout });
  const first = `${word}  ${check.padEnd(13)}  ${detail}`;
  return whatToDo === undefined ? first : `${first}\n${' '.repeat(21)}${whatToDo}`;
}

function sayVerdict(findings: readonly Finding[], output: Output): void {
  const failed = findings.filter(({ state }) => state === 'fail').length;
  const warned = findings.filter(({ state }) => state === 'warn').length;
  if (failed > 0) output.say(`\n${failed} of ${findings.length} checks failed.`);
  else if (warned > 0) output.say(`\nNothing failed; ${warned} of ${findings.length} checks warn.`);
  else output.say('\nAll is well.');
}
