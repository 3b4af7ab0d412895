import { BoraError } from '@bora/client/bora-error';
import { bytesText, distanceText, momentText } from './human-text.ts';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';

/** Codes of errors of the server's start that say that it was told something that cannot be. */
const REFUSALS: ReadonlySet<string | null> = new Set([
  'bad_configuration',
  'open_to_everybody',
  'cannot_listen',
  'data_folder_in_use',
  'data_folder_newer',
  'data_folder_older',
  'data_folder_missing',
  'backup_folder_taken',
]);

/** What to do after a refusal, by its code; the others say so themselves. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  invalid_api_key: 'Set BORA_API_KEY, or give --api-key.',
  job_not_found: 'See the jobs with: bora ls',
  file_not_found: 'See the files with: bora files ls',
  upstream_not_found: 'See the names with: bora upstreams list',
  bad_batch_file: 'See all bad lines of the file with: bora validate',
};

/**
 * Where a command's words go. Without `--json` the result is text on stdout and everything said on the way goes to stderr. With `--json`
 * stdout holds JSON only, one object a line, errors included, and nothing is said on the way.
 */
export class Output {
  readonly json: boolean;
  /** Somebody looks at stdout; otherwise a program reads it, and the same thing is always written in the same way. */
  readonly #isTerminal: boolean;
  readonly #now: () => number;

  /** `now` gives milliseconds since the epoch. */
  constructor(json: boolean, stdout: { readonly isTTY?: boolean } = process.stdout, now = Date.now) {
    this.json = json;
    this.#isTerminal = stdout.isTTY === true;
    this.#now = now;
  }

  /** A moment in Unix seconds: on a terminal how far away it is, elsewhere UTC; empty for null. */
  when(unixSeconds: number | null): string {
    if (unixSeconds === null) return '';
    return this.#isTerminal ? distanceText(unixSeconds * 1000 - this.#now()) : momentText(unixSeconds);
  }

  /** A number of bytes: on a terminal `1.2 GiB`, elsewhere as it is. */
  size(bytes: number): string {
    return this.#isTerminal ? bytesText(bytes) : String(bytes);
  }

  /** Said on the way. */
  say(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`);
  }

  /** The result, in either form. */
  result(object: object, text: string): void {
    process.stdout.write(`${this.json ? JSON.stringify(object) : text}\n`);
  }

  /** Reports a failure as *what happened, why, what to do*; answers the exit code. */
  error(error: unknown): ExitCode {
    const explained = explain(error);
    if (this.json) {
      const { message, why, whatToDo, exitCode } = explained;
      process.stdout.write(
        `${JSON.stringify({ error: { message, why, whatToDo, code: codeOf(error), exitCode } })}\n`,
      );
    } else {
      const details = [explained.why, explained.whatToDo].filter((part) => part !== undefined);
      process.stderr.write(`error: ${explained.message}\n${details.map((part) => `  ${part}\n`).join('')}`);
    }
    return explained.exitCode;
  }
}

function explain(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof BoraError) {
    const refused = error.status !== null && !error.transient;
    const exitCode = error.code === 'no_answer' ? EXIT.unreachable : refused ? EXIT.usage : EXIT.failure;
    const why = error.requestId === null ? undefined : `Request id ${error.requestId}.`;
    const whatToDo = NEXT_STEPS[error.code];
    return new CliError(error.message, {
      exitCode,
      ...(why === undefined ? {} : { why }),
      ...(whatToDo === undefined ? {} : { whatToDo }),
    });
  }
  const message = error instanceof Error ? error.message : String(error);
  const exitCode = REFUSALS.has(codeOf(error)) ? EXIT.usage : EXIT.failure;
  return new CliError(message, { exitCode }, { cause: error });
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
