import type { Database } from '../storage/ports/database.ts';
import type { ShardLease } from '../storage/ports/journal.ts';
import type { ClaimedShard, ShardClaim, ShardRelease } from '../storage/ports/shard-queue.ts';

/**
 * The shards that one session has leased. All claims and releases go through here, one after another, so that at any moment
 * between two of them it is known what the session should hold.
 *
 * Invariant: a lease that the database knows and this does not is worked on by nobody. It comes about when the answer to a
 * claim is lost, or a release fails; it is found by asking and given back, else its shard would wait as long as the session lives.
 */
export class ShardLeases {
  readonly #database: Database;
  readonly #session: string;
  /** Epochs by shard: a shard may come back under a new lease before the end of the old one is known. */
  readonly #held = new Map<number, number>();
  #inDoubt = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(database: Database, session: string) {
    this.#database = database;
    this.#session = session;
  }

  claim(claim: Omit<ShardClaim, 'session'>): Promise<ClaimedShard[]> {
    return this.#take(() => this.#database.claimShards({ session: this.#session, ...claim }));
  }

  claimDrain(limit: number): Promise<ClaimedShard[]> {
    return this.#take(() => this.#database.claimDrain(this.#session, limit));
  }

  /** The lease has ended: committed, or taken over by another. */
  forget({ shardId, epoch }: Pick<ShardLease, 'shardId' | 'epoch'>): void {
    if (this.#held.get(shardId) === epoch) this.#held.delete(shardId);
  }

  /** Gives a lease up. If that fails the shard goes back to the queue with the next call. */
  release(release: ShardRelease): Promise<void> {
    return this.#inTurn(async () => {
      this.forget(release);
      await this.#orDoubt(() => this.#database.releaseShards(this.#session, [release]));
    });
  }

  /** Gives back what nobody works on, if a call before this one failed. */
  settleDoubt(): Promise<void> {
    return this.#inTurn(() => this.#giveBackUnknown());
  }

  #take(claim: () => Promise<ClaimedShard[]>): Promise<ClaimedShard[]> {
    return this.#inTurn(async () => {
      await this.#giveBackUnknown();
      const claimed = await this.#orDoubt(claim);
      for (const { id, epoch } of claimed) this.#held.set(id, epoch);
      return claimed;
    });
  }

  async #giveBackUnknown(): Promise<void> {
    if (!this.#inDoubt) return;
    const { shards } = await this.#database.leasesOf(this.#session);
    const unknown = shards.filter(({ shardId, epoch }) => this.#held.get(shardId) !== epoch);
    if (unknown.length > 0) await this.#database.releaseShards(this.#session, unknown);
    this.#inDoubt = false;
  }

  async #orDoubt<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      this.#inDoubt = true;
      throw error;
    }
  }

  #inTurn<Result>(call: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(call);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
