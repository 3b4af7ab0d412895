/** When a Bora was last known to be up, so that no batch loses time while there is none. */
export interface Uptime {
  /**
   * For a start, before any deadline is looked at: the deadlines of batches that may still expire move by the time since the last
   * note, or since their creation if that is later, and the note is renewed in the same transaction. Up to `graceMs` are no
   * downtime, for notes come that far apart. Answers the milliseconds that were added at most; a repeat finds the note new and
   * adds nothing, and so does a start beside a Bora that is up.
   */
  addDowntime(graceMs: number): Promise<number>;

  /** Notes that a Bora is up now. */
  noteUp(): Promise<void>;
}
