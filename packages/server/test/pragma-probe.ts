import type { StoreVariant } from '../src/storage/sqlite/store-context.ts';

/** Answers, in place of the secret, how the connection of the database thread is set up. */
export const storeVariant: StoreVariant = ({ db }) => ({
  signingSecret: () =>
    JSON.stringify(
      Object.fromEntries(
        ['journal_mode', 'synchronous', 'foreign_keys', 'busy_timeout'].map((name) => [
          name,
          db.pragma(name, { simple: true }),
        ]),
      ),
    ),
});
