import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';

/**
 * Structured lines on standard output. Fields that say what a line is about have the same name everywhere: `batch`, `shard`
 * (its number in the batch; `shardId` is the database's), `upstream`, `webhook`, `file`, `err`. Keys, prompts and answers are never logged.
 */
export type Log = Logger;

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** The parts of Bora that log under a name of their own. */
export type Subsystem = 'main' | 'api' | 'worker' | 'upstreams' | 'storage' | 'files' | 'access' | 'webhooks';

export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: (): string => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

export function logOf(log: Log, subsystem: Subsystem): Log {
  return log.child({ subsystem });
}

/** Says nothing; for tests and for tools that talk to people instead. */
export const silentLog: Log = createLog('silent');
