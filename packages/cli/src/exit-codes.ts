/** What the exit code of every command says. */
export const EXIT = {
  ok: 0,
  /** Something unexpected: a bug, a full disk, a server error. */
  failure: 1,
  /** The arguments or the input were refused; nothing was run. */
  usage: 2,
  /** The job completed, but some of its lines failed. */
  linesFailed: 3,
  /** The job ended before every request was processed: failed, cancelled or out of time. */
  jobIncomplete: 4,
  /** The server cannot be reached. */
  unreachable: 5,
  /** There is a run for this output already, of other input or other arguments. */
  runChanged: 6,
  /** `bora doctor` found something that does not work. */
  checkFailed: 7,
  /** Stopped by Ctrl-C (SIGINT). */
  interrupted: 130,
  /** Stopped by SIGTERM. */
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODE_HELP = `
Exit codes:
  0    all is well; of a job: every line succeeded
  1    unexpected failure
  2    arguments or input refused, nothing was run
  3    the job completed, some lines failed
  4    the job ended incomplete: failed, cancelled or out of time
  5    the server cannot be reached
  6    a run for this output exists, of other input or arguments
  7    a check of the doctor failed
  130  stopped by Ctrl-C    143  stopped by SIGTERM`;
