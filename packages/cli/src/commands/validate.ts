import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { readConfig } from '@bora/server/config/config';
import { mayBeJsonl, mimetypeOf } from '@bora/server/api/files/file-names';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { withExample } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { bytesText, countText, countedText } from '../human-text.ts';
import { endpointOption, modelOption } from '../job-flags.ts';
import type { JobFlags } from '../job-flags.ts';
import { addOptionFlags, optionFlagsOf } from '../option-flags.ts';
import type { Output } from '../output.ts';
import { RequestCheck } from '../request-check.ts';
import type { CheckReport, Fault } from '../request-check.ts';
import { runAction } from '../run-action.ts';
import { stopSignals } from '../stop-signals.ts';
import { cannotRead, isUnreadable } from '../upload-path.ts';

interface ValidateFlags extends Pick<JobFlags, 'endpoint' | 'model'> {
  readonly json?: boolean;
}

/** Named without --json, which has them all. */
const FAULTS_SHOWN = 20;

export function addValidateCommand(program: Command): void {
  const command = program
    .command('validate')
    .summary('check a file of requests, without a server')
    .description(
      'Checks a file of requests as upload and create would, without a server: every bad line with its number. ' +
        'Not checked are models and files that lines name, which only the server knows. Exit code 2 if anything is wrong.',
    )
    .argument('<file>', 'JSONL file, one {"custom_id": …, "body": {…}} a line')
    .addOption(endpointOption())
    .addOption(modelOption());
  addOptionFlags(command, ['config', 'maxLineBytes', 'maxFileBytes', 'maxFileLines']);
  withExample(
    command.option('--json', 'print JSON only, with the first 100 lines of each kind of fault'),
    'bora validate requests.jsonl --endpoint /v1/chat/completions --model small',
  ).action((file: string, flags: ValidateFlags) =>
    runAction(flags, (output) => validate(file, flags, output)),
  );
}

async function validate(path: string, flags: ValidateFlags, output: Output): Promise<ExitCode> {
  using stop = stopSignals(() => {});
  const config = readConfig({ env: process.env, flags: optionFlagsOf({ ...flags }) });
  const type = mimetypeOf(basename(path));
  if (!mayBeJsonl(type))
    throw new CliError(`${path} would be taken for ${type}, and only JSONL holds requests.`, {
      exitCode: EXIT.usage,
      whatToDo: 'Give the file a name that ends in .jsonl.',
    });
  const check = new RequestCheck({ ...config, endpoint: flags.endpoint, model: flags.model ?? null });
  try {
    const bytes = createReadStream(path, { highWaterMark: 1024 * 1024, signal: stop.signal });
    for await (const chunk of bytes) check.push(chunk as Buffer);
  } catch (error) {
    if (stop.signal.aborted) throw stop.signal.reason;
    throw isUnreadable(error) ? cannotRead(path, error) : error;
  }
  const report = check.finish();
  output.result({ file: path, ok: report.faultCount === 0, ...wireReport(report) }, reportText(path, report));
  return report.faultCount === 0 ? EXIT.ok : EXIT.usage;
}

function wireReport(report: CheckReport): object {
  const { bytes, requests, faultCount, faults, models, linesNamingFiles } = report;
  return {
    bytes,
    requests,
    error_count: faultCount,
    errors: faults.map(({ line, code, message }) => ({ line_number: line, code, message })),
    models,
    lines_naming_files: linesNamingFiles,
  };
}

function reportText(path: string, report: CheckReport): string {
  const { requests, bytes, faultCount, faults, linesNamingFiles } = report;
  const size = `${countedText(requests, 'request')}, ${bytesText(bytes)}`;
  const unseen =
    linesNamingFiles === 0
      ? ''
      : `\n${countedText(linesNamingFiles, 'line')} name a file; whether it is there is seen when the job is created.`;
  if (faultCount === 0) return `${path}: well formed. ${size}${modelsText(report)}.${unseen}`;
  const shown = faults.slice(0, FAULTS_SHOWN).map((fault) => faultText(path, fault));
  const more = faultCount > shown.length ? [`… and ${countText(faultCount - shown.length)} more`] : [];
  return [...shown, ...more, '', `${path}: ${countedText(faultCount, 'error')} in ${size}.${unseen}`].join(
    '\n',
  );
}

/** As compilers write it, so that editors find the line. */
function faultText(path: string, { line, message }: Fault): string {
  return `${path}:${line === null ? '' : `${line}:`} ${message}`;
}

function modelsText({ models }: CheckReport): string {
  const names = Object.keys(models);
  return names.length === 0 ? '' : `, models in the lines: ${names.join(', ')}`;
}
