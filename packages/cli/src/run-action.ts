import type { ExitCode } from './exit-codes.ts';
import { Output } from './output.ts';

/** Runs a command's action and leaves its exit code, reporting whatever it throws. */
export async function runAction(
  options: { readonly json?: boolean },
  action: (output: Output) => Promise<ExitCode>,
): Promise<void> {
  const output = new Output(options.json ?? false);
  try {
    process.exitCode = await action(output);
  } catch (error) {
    process.exitCode = output.error(error);
  }
}
