import type { Bora } from '@bora/server';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-codes.ts';
import type { Output } from './output.ts';

/**
 * Ends the process at once when its Bora is lost, with the words and the code of a failure. Nothing is stopped in order: without a
 * database there is nothing left to save, and a service manager must see that it ended.
 */
export function exitWhenLost({ lost }: Pick<Bora, 'lost'>, output: Output): void {
  lost.addEventListener('abort', () => {
    const error = new CliError((lost.reason as Error).message, {
      exitCode: EXIT.failure,
      why: 'Without it nothing can be stored, so Bora ends. Nothing acknowledged is lost.',
      whatToDo:
        'Start it again; it goes on where it was. If it ends so again, look at memory and at the disk.',
    });
    process.exit(output.error(error));
  });
}
