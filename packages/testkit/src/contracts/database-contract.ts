import { describe } from 'node:test';
import { registerAccessContract } from './database/access-contract.ts';
import { registerAuditContract } from './database/audit-contract.ts';
import { registerAttemptContract } from './database/attempt-contract.ts';
import { registerBatchContract } from './database/batch-contract.ts';
import { registerBlobNameContract } from './database/blob-name-contract.ts';
import type { OpenDatabase } from './database/database-world.ts';
import { registerFileContract } from './database/file-contract.ts';
import { registerFoldContract } from './database/fold-contract.ts';
import { registerFinaliseContract } from './database/finalise-contract.ts';
import { registerInterleavingContract } from './database/interleaving-contract.ts';
import { registerJournalContract } from './database/journal-contract.ts';
import { registerNamedFileContract } from './database/named-file-contract.ts';
import { registerResultContract } from './database/result-contract.ts';
import { registerSessionContract } from './database/session-contract.ts';
import { registerShardContract } from './database/shard-contract.ts';
import { registerStopContract } from './database/stop-contract.ts';
import { registerTaskContract } from './database/task-contract.ts';
import { registerUndeliveredAnswerContract } from './database/undelivered-answer-contract.ts';
import { registerUpstreamPauseContract } from './database/upstream-pause-contract.ts';
import { registerUploadContract } from './database/upload-contract.ts';
import { registerUptimeContract } from './database/uptime-contract.ts';
import { registerWebhookEventContract } from './database/webhook-event-contract.ts';
import { registerWorkspaceContract } from './database/workspace-contract.ts';

/**
 * What every database must do, method by method and under random interleavings. An adapter runs it with a function that opens an
 * empty database on a simulated clock; what only that adapter promises it tests beside it.
 */
export function registerDatabaseContract(name: string, open: OpenDatabase): void {
  describe(`${name} keeps the database contract`, { concurrency: 4 }, () => {
    registerAccessContract(open);
    registerWorkspaceContract(open);
    registerAuditContract(open);
    registerFileContract(open);
    registerNamedFileContract(open);
    registerUploadContract(open);
    registerBatchContract(open);
    registerTaskContract(open);
    registerShardContract(open);
    registerJournalContract(open);
    registerAttemptContract(open);
    registerFoldContract(open);
    registerStopContract(open);
    registerFinaliseContract(open);
    registerResultContract(open);
    registerBlobNameContract(open);
    registerSessionContract(open);
    registerUptimeContract(open);
    registerUndeliveredAnswerContract(open);
    registerUpstreamPauseContract(open);
    registerWebhookEventContract(open);
    registerInterleavingContract(open);
  });
}
