import { BoraClient, DEFAULT_BASE_URL } from '@bora/client';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';

/** What every command that talks to a running Bora is told. */
export interface ServerFlags {
  readonly url: string;
  readonly apiKey?: string;
  readonly json?: boolean;
}

/** Adds `--url`, `--api-key` and `--json`. */
export function addServerFlags(command: Command): Command {
  const url = new Option('--url <url>', 'the Bora to talk to')
    .env('BORA_URL')
    .argParser(readUrl)
    .default(DEFAULT_BASE_URL);
  const key = new Option(
    '--api-key <key>',
    'its key, from `bora keys create`; better in the environment, as everybody on this machine can read arguments',
  ).env('BORA_API_KEY');
  return command.addOption(url).addOption(key).option('--json', 'print JSON only');
}

export function clientFor(flags: ServerFlags): BoraClient {
  return new BoraClient({ baseUrl: flags.url, apiKey: flags.apiKey });
}

/** An empty BORA_URL is as good as none. */
function readUrl(text: string): string {
  if (text === '') return DEFAULT_BASE_URL;
  if (['http:', 'https:'].includes(URL.parse(text)?.protocol ?? '')) return text;
  throw new InvalidArgumentError('It must be a URL such as http://host:2672.');
}
