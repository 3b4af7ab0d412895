/** Upstreams that were paused by hand. They stay paused over restarts, also while the configuration does not name them. */
export interface UpstreamPauses {
  /** Notes a pause; of one that is paused already the reason changes, and since when does not. */
  pauseUpstream(upstream: string, reason: string): Promise<UpstreamPause>;

  /** Forgets a pause. False if there was none. */
  resumeUpstream(upstream: string): Promise<boolean>;

  /** By name. */
  listUpstreamPauses(): Promise<UpstreamPause[]>;
}

export interface UpstreamPause {
  readonly upstream: string;
  readonly reason: string;
  readonly pausedAt: number;
}
