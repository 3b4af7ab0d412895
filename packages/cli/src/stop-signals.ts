import { CliError } from './cli-error.ts';
import { EXIT } from './exit-codes.ts';

export interface StopSignals extends Disposable {
  /** Aborts at the first SIGINT or SIGTERM, with a `CliError` that carries the exit code. */
  readonly signal: AbortSignal;
}

/** First signal: `signal` aborts and `onFirst` may say so. Second signal: the process ends at once. */
export function stopSignals(onFirst: (name: 'SIGINT' | 'SIGTERM') => void): StopSignals {
  const controller = new AbortController();
  const listeners = (['SIGINT', 'SIGTERM'] as const).map((name) => {
    const exitCode = name === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
    const listener = (): void => {
      if (controller.signal.aborted) process.exit(exitCode);
      onFirst(name);
      controller.abort(new CliError(`Stopped by ${name}.`, { exitCode }));
    };
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const remove of listeners) remove();
    },
  };
}
