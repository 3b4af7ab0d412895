import { BoraClient, DEFAULT_BASE_URL } from '@bora/client';
import { Option } from 'commander';

export interface ServerFlags {
  readonly url: string;
}

/** Which Bora to talk to. The key comes from the environment only: arguments are seen by everybody on the machine. */
export function urlOption(): Option {
  return new Option('--url <url>', 'the Bora to talk to; its key comes from BORA_API_KEY')
    .default(DEFAULT_BASE_URL)
    .env('BORA_URL');
}

export function clientFor(flags: ServerFlags): BoraClient {
  return new BoraClient({ baseUrl: flags.url, apiKey: process.env['BORA_API_KEY'] });
}
