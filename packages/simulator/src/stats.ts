/** What the simulator counted since it started or was last reset. Times are milliseconds since the epoch, with a fraction. */
export interface SimulatorStats {
  /** Requests for an answer, read completely, whatever became of them; control calls and `/v1/models` not counted. */
  readonly requests: number;
  /** Answers written completely, by HTTP status. */
  readonly answersByStatus: Readonly<Record<string, number>>;
  /** Connections that the simulator reset in place of a complete answer. */
  readonly resets: number;
  /** Requests whose client left before the answer was complete. */
  readonly abandoned: number;
  /** Requests read and not yet answered, waiting ones included. */
  readonly inFlight: number;
  readonly maxInFlight: number;
  readonly running: number;
  readonly waiting: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Different request bodies. */
  readonly distinctBodies: number;
  /** Bodies of which two or more copies were answered successfully and completely: bought again. */
  readonly bodiesAnsweredMoreThanOnce: number;
  readonly firstRequestAt: number | null;
  readonly lastRequestAt: number | null;
  /** Sum over all slots of the milliseconds they were busy, until now. */
  readonly busySlotMs: number;
  /**
   * The same until the last request came. Divided by `slots` × (`lastRequestAt` − `firstRequestAt`) it is how full the
   * client kept the server while it had something to send.
   */
  readonly busySlotMsAtLastRequest: number;
}

/** The counters themselves; a reset replaces them. */
export interface Tally {
  requests: number;
  answersByStatus: Record<string, number>;
  resets: number;
  abandoned: number;
  maxInFlight: number;
  promptTokens: number;
  completionTokens: number;
  firstRequestAt: number | null;
  lastRequestAt: number | null;
  busySlotMsAtLastRequest: number;
}

export function emptyTally(inFlight: number): Tally {
  return {
    requests: 0,
    answersByStatus: {},
    resets: 0,
    abandoned: 0,
    maxInFlight: inFlight,
    promptTokens: 0,
    completionTokens: 0,
    firstRequestAt: null,
    lastRequestAt: null,
    busySlotMsAtLastRequest: 0,
  };
}
