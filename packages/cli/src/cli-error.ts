import type { ExitCode } from './exit-codes.ts';

interface Explanation {
  readonly exitCode: ExitCode;
  readonly why?: string;
  readonly whatToDo?: string;
}

/** An error for a person: the message says what happened. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;
  readonly why: string | undefined;
  readonly whatToDo: string | undefined;

  constructor(whatHappened: string, explanation: Explanation, options?: ErrorOptions) {
    super(whatHappened, options);
    this.exitCode = explanation.exitCode;
    this.why = explanation.why;
    this.whatToDo = explanation.whatToDo;
  }
}
