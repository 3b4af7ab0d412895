import { BATCH_ENDPOINTS } from '@bora/protocol/batch-endpoints';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import { InvalidArgumentError, Option } from 'commander';

export interface JobFlags {
  readonly endpoint: BatchEndpoint;
  readonly model?: string;
  readonly timeoutHours: number;
}

export function endpointOption(): Option {
  return new Option('--endpoint <path>', 'what every line asks for')
    .choices(BATCH_ENDPOINTS)
    .makeOptionMandatory();
}

export function modelOption(): Option {
  return new Option('--model <name>', "the model; may be left out if every line's body names one");
}

export function timeoutOption(defaultHours: number): Option {
  return new Option('--timeout-hours <n>', 'hours until the time of the job is up, 1 to 168')
    .argParser(readTimeoutHours)
    .default(defaultHours);
}

function readTimeoutHours(text: string): number {
  const hours = Number(text);
  if (!Number.isInteger(hours) || hours < 1 || hours > 168)
    throw new InvalidArgumentError('It must be a whole number from 1 to 168.');
  return hours;
}
