import { randomUUID } from 'node:crypto';
import type { Caller } from '../../access/authenticate.ts';
import type { UploadFacts } from '../../files/ingest.ts';
import { mimetypeOf } from './file-names.ts';

/** What is known of a file by its name. */
export type KnownFacts = UploadFacts & { readonly mimetype: string };

/** What is known while the bytes stream; the rest is provisional. */
export function factsOf(
  { workspaceId, creator }: Pick<Caller, 'workspaceId' | 'creator'>,
  filename: string,
): KnownFacts {
  return {
    id: randomUUID(),
    workspaceId,
    filename,
    purpose: 'batch',
    sampleType: 'batch_request',
    source: 'upload',
    mimetype: mimetypeOf(filename),
    visibility: 'workspace',
    expireMs: null,
    createdBy: creator,
  };
}
