/** What cannot go on because of the storage: sending (room runs short), the journal, or the results of one shard. */
export type StorageWork = 'sending' | 'journal' | `results of ${number}`;

/**
 * Why work of this process waits for the storage, for as long as it does. Whoever fails says so, and says when it succeeds again;
 * each unfinished job shows it, because they all share the storage.
 */
export class StorageWaits {
  readonly #reasons = new Map<StorageWork, string>();

  /** Each once. Where room is short that is why the rest fails, and says it better. */
  get reasons(): readonly string[] {
    const short = this.#reasons.get('sending');
    return short === undefined ? [...new Set(this.#reasons.values())] : [short];
  }

  begin(work: StorageWork, reason: string): void {
    this.#reasons.set(work, reason);
  }

  end(work: StorageWork): void {
    this.#reasons.delete(work);
  }
}
