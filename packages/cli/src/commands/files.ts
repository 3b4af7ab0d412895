import { once } from 'node:events';
import { FILE_PURPOSES, FILE_VISIBILITIES } from '@bora/protocol/mistral-files';
import type { FilePurpose, FileVisibility } from '@bora/protocol/mistral-files';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { withExample } from '../command-help.ts';
import { writeFileDurably } from '../durable-file.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { limitOption } from '../flag-values.ts';
import { bytesText, countText, countedText } from '../human-text.ts';
import { callServer } from '../run-action.ts';
import type { ServerCall } from '../run-action.ts';
import { addServerFlags } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';
import { renderFields, renderTable } from '../table.ts';
import { uploadPath } from '../upload-path.ts';

interface ListFlags extends ServerFlags {
  readonly purpose?: FilePurpose;
  readonly search?: string;
  readonly limit: number;
}

interface UploadFlags extends ServerFlags {
  readonly purpose?: FilePurpose;
  readonly visibility?: FileVisibility;
  readonly expiryHours?: number;
}

interface DownloadFlags extends ServerFlags {
  readonly output?: string;
}

const COLUMNS = [
  { title: 'file' },
  { title: 'name', maxWidth: 50 },
  { title: 'purpose' },
  { title: 'holds' },
  { title: 'size', align: 'right' },
  { title: 'lines', align: 'right' },
  { title: 'created' },
] as const;

const SOME_ID = '6f0d2a9c-5c0b-4a58-b3c9-3b0f6e1f2d47';

export function addFilesCommand(program: Command): void {
  const files = program.command('files').description('files of a running Bora: inputs and results of jobs');
  const add = (usage: string, description: string, example: string): Command =>
    withExample(addServerFlags(files.command(usage).description(description)), example);

  add('ls', 'list files, newest first', 'bora files ls --purpose batch --search results')
    .addOption(purposeOption('of this purpose'))
    .option('--search <text>', 'with this in the name')
    .addOption(limitOption('files'))
    .action((flags: ListFlags) => callServer(flags, (call) => list(flags, call)));

  add('show', 'show all about a file', `bora files show ${SOME_ID}`)
    .argument('<file>', 'id of the file')
    .action((id: string, flags: ServerFlags) => callServer(flags, (call) => show(id, call)));

  add('upload', 'upload a file and print its id', 'bora files upload requests.jsonl')
    .argument('<path>', 'file on this machine')
    .addOption(purposeOption('what it is for; default: batch for .jsonl, else as its name says'))
    .addOption(new Option('--visibility <who>', 'who may see it').choices(FILE_VISIBILITIES))
    .option('--expiry-hours <n>', 'hours to keep it; default: until it is deleted', readHours)
    .action((path: string, flags: UploadFlags) => callServer(flags, (call) => upload(path, flags, call)));

  add(
    'download',
    'write the content of a file to stdout, or with -o to a file',
    `bora files download ${SOME_ID} -o requests.jsonl`,
  )
    .argument('<file>', 'id of the file')
    .option('-o, --output <path>', 'write it there, whole or not at all')
    .action((id: string, flags: DownloadFlags) => callServer(flags, (call) => download(id, flags, call)));

  add('delete', 'delete files; jobs that read one now go on to their end', `bora files delete ${SOME_ID}`)
    .argument('<file...>', 'ids of files')
    .action((ids: string[], flags: ServerFlags) => callServer(flags, (call) => deleteFiles(ids, call)));
}

async function list(flags: ListFlags, { client, output, signal }: ServerCall): Promise<ExitCode> {
  const { purpose, search, limit } = flags;
  const { data, total } = await client.files.list(
    {
      page_size: limit,
      ...(purpose === undefined ? {} : { purpose }),
      ...(search === undefined ? {} : { search }),
    },
    signal,
  );
  const rows = data.map((file) => [
    file.id,
    file.filename,
    file.purpose,
    file.sample_type,
    output.size(file.bytes),
    file.num_lines === null ? '' : countText(file.num_lines),
    output.when(file.created_at),
  ]);
  output.result({ files: data, total }, data.length === 0 ? 'No file matches.' : renderTable(COLUMNS, rows));
  if (total !== null && total > data.length)
    output.say(`\n${countedText(total - data.length, 'older file')} not shown; see more with --limit.`);
  return EXIT.ok;
}

async function show(id: string, { client, output, signal }: ServerCall): Promise<ExitCode> {
  const file = await client.files.retrieve(id, signal);
  const fields = [
    ['file', file.id],
    ['name', file.filename],
    ['purpose', file.purpose],
    ['holds', file.sample_type],
    ['size', output.size(file.bytes)],
    ['lines', file.num_lines === null ? '' : countText(file.num_lines)],
    ['type', file.mimetype ?? ''],
    ['made by', file.source === 'mistral' ? 'Bora' : file.source],
    ['seen by', file.visibility ?? ''],
    ['MD5', file.signature ?? ''],
    ['created', output.when(file.created_at)],
    ['expires', output.when(file.expires_at)],
  ] as const;
  output.result(file, renderFields(fields));
  return EXIT.ok;
}

async function upload(path: string, flags: UploadFlags, call: ServerCall): Promise<ExitCode> {
  const { client, output, signal } = call;
  const { purpose, visibility, expiryHours } = flags;
  const options = {
    ...(purpose === undefined ? {} : { purpose }),
    ...(visibility === undefined ? {} : { visibility }),
    ...(expiryHours === undefined ? {} : { expiry: expiryHours }),
  };
  const file = await uploadPath(client, path, options, signal);
  output.result(file, file.id);
  const lines = file.num_lines === null ? '' : `, ${countedText(file.num_lines, 'line')}`;
  output.say(`\nUploaded ${file.filename} as ${file.purpose}: ${bytesText(file.bytes)}${lines}.`);
  return EXIT.ok;
}

async function download(id: string, flags: DownloadFlags, call: ServerCall): Promise<ExitCode> {
  const { client, output, signal } = call;
  if (flags.json && flags.output === undefined)
    throw new CliError('With --json stdout holds JSON only, and the content has no place to go.', {
      exitCode: EXIT.usage,
      whatToDo: 'Name a file with -o.',
    });
  const content = await client.files.content(id, signal);
  if (flags.output !== undefined) {
    await writeFileDurably(flags.output, content, signal);
    output.result({ file_id: id, output: flags.output }, flags.output);
    return EXIT.ok;
  }
  for await (const chunk of content)
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain', { signal });
  return EXIT.ok;
}

async function deleteFiles(
  ids: readonly string[],
  { client, output, signal }: ServerCall,
): Promise<ExitCode> {
  for (const id of ids) {
    const { deleted } = await client.files.delete(id, signal);
    output.result({ file_id: id, deleted }, `${id}  deleted`);
  }
  return EXIT.ok;
}

function purposeOption(description: string): Option {
  return new Option('--purpose <purpose>', description).choices(FILE_PURPOSES);
}

function readHours(text: string): number {
  const hours = Number(text);
  if (Number.isInteger(hours) && hours >= 1) return hours;
  throw new InvalidArgumentError('It must be a whole number of hours, at least 1.');
}
