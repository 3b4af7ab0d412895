import { CommanderError } from 'commander';
import { EXIT } from './exit-codes.ts';
import { createProgram } from './program.ts';
import { SHORT_GUIDE } from './short-guide.ts';

// Whoever reads our output may stop early, as `head` does. That is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

try {
  if (process.argv.length === 2) process.stdout.write(SHORT_GUIDE);
  else await createProgram().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Commander has said what is wrong; its own code for that is 1.
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
