/**
 * Objects whose maker is known not to have been told of them, so that its next try is answered with what the first one made. They are known
 * for ten minutes: SDKs try again within seconds, and who comes later means another object.
 */
export interface UndeliveredAnswers {
  /** Notes that a call made an object and could not be answered. Repeating it for the same call changes nothing. */
  recordUndelivered(answer: UndeliveredAnswer): Promise<void>;

  /**
   * Gives `call` the object of an equal create that could not be answered, the oldest that no other call was given; null if there is none.
   * Repeating it for the same call answers the same object.
   */
  takeUndelivered(createdAs: string, call: string): Promise<string | null>;
}

export interface UndeliveredAnswer {
  /** Names the call that could not be answered; chosen by it, never twice. */
  readonly call: string;
  /** Digest of the create, as `NewBatch.createdAs`. */
  readonly createdAs: string;
  readonly objectId: string;
}
