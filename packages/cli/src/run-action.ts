import type { BoraClient } from '@bora/client';
import type { ExitCode } from './exit-codes.ts';
import { Output } from './output.ts';
import { clientFor } from './server-flags.ts';
import type { ServerFlags } from './server-flags.ts';
import { stopSignals } from './stop-signals.ts';

interface ActionOptions {
  readonly json?: boolean;
}

/** What a command that talks to a running Bora works with. */
export interface ServerCall {
  readonly client: BoraClient;
  readonly output: Output;
  /** Aborts at Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}

/** Runs a command's action and leaves its exit code, reporting whatever it throws. */
export async function runAction(
  options: ActionOptions,
  action: (output: Output) => Promise<ExitCode>,
): Promise<void> {
  const output = new Output(options.json ?? false);
  try {
    process.exitCode = await action(output);
  } catch (error) {
    process.exitCode = output.error(error);
  }
}

/** `runAction` for a command that talks to a running Bora and gives up at once when it is stopped. */
export function callServer(
  flags: ServerFlags & ActionOptions,
  action: (call: ServerCall) => Promise<ExitCode>,
): Promise<void> {
  return runAction(flags, async (output) => {
    using stop = stopSignals(() => {});
    return await action({ client: clientFor(flags), output, signal: stop.signal });
  });
}
