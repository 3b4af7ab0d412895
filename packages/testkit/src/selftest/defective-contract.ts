import { describe } from 'node:test';
import type { Database } from '@bora/server/storage/ports/database';
import type { OpenDatabase } from '../contracts/database/database-world.ts';
import { registerJournalContract } from '../contracts/database/journal-contract.ts';
import { openEmptySqlite } from '../contracts/database/open-empty-sqlite.ts';
import { registerShardContract } from '../contracts/database/shard-contract.ts';
import { registerTaskContract } from '../contracts/database/task-contract.ts';
import { readThenWrite } from '../defects/read-then-write.ts';

/** Parts of the database contract over SQLite with the defect that `BORA_DEFECT` names; empty: with none. */
const defect = process.env['BORA_DEFECT'] ?? '';
const variant = defect === 'read-then-write' ? 'skip-lease-check' : defect;
const wrap = defect === 'read-then-write' ? readThenWrite : (database: Database) => database;
const storeVariant = variant === '' ? undefined : new URL(`../defects/${variant}.ts`, import.meta.url);
const open: OpenDatabase = () => openEmptySqlite(storeVariant, wrap);

describe('a defective database', { concurrency: 4 }, () => {
  registerTaskContract(open);
  registerShardContract(open);
  registerJournalContract(open);
});
