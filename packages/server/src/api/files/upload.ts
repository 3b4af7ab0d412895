import { randomUUID } from 'node:crypto';
import { fileUploadFields, OPENAI_ONLY_PURPOSES } from '@bora/protocol/mistral-files';
import type { FilePurpose, SampleType } from '@bora/protocol/mistral-files';
import type { OpenAiFile } from '@bora/protocol/openai-files';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { SettledUpload, UploadFacts } from '../../files/ingest.ts';
import type { FileRecord } from '../../storage/ports/file-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { dialectOf } from '../dialect.ts';
import { ApiError } from '../errors.ts';
import { expiresAfterIn, settleOpenAi } from '../openai/file-fields.ts';
import {
  digestOf,
  keyedIdOf,
  keyReused,
  keySpent,
  MadeBefore,
  undeliveredOf,
  watchDelivery,
} from '../repeated-creates.ts';
import { validate } from '../validation.ts';
import type { KnownFacts } from './file-facts.ts';
import { factsOf } from './file-facts.ts';
import { displayName, mayBeJsonl } from './file-names.ts';
import { fileView } from './file-view.ts';
import { readMultipart } from './multipart.ts';
import { storeFile } from './store-file.ts';

const HOUR_MS = 60 * 60 * 1000;

/** What the real service calls the content of a file by its purpose (live, and reported for `audio`). */
const SAMPLE_TYPE: Readonly<Record<FilePurpose, SampleType>> = {
  batch: 'batch_request',
  'fine-tune': 'instruct',
  ocr: 'ocr_input',
  audio: 'audio_input',
};

/**
 * `POST /v1/files`. The parts come in any order (measured), so the file streams to disk and through the line index before its
 * purpose may be known; whether a bad line refuses it, and whether it is there already (`madeBefore`), is decided behind the last
 * part. What is refused leaves nothing behind.
 */
export function uploadRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.post('/v1/files', { config: { access: 'write' } }, async (request, reply): Promise<OpenAiFile> => {
    const { caller } = request;
    const id = keyedIdOf(request) ?? randomUUID();
    let createdAs = '';
    const storing = readMultipart(request.raw, ({ bytes, filename }, fields) => {
      const facts = { ...factsOf(caller, displayName(filename)), id };
      return storeFile(deps, caller, facts, bytes, {
        check: mayBeJsonl(facts.mimetype) ? 'index-only' : 'no-index',
        settle: async (_index, md5) => {
          const given = await fields;
          createdAs = digestOf(request, [facts.filename, [...given], md5]);
          if (saysOpenAi(given)) request.dialect = 'openai';
          const settled = dialectOf(request) === 'openai' ? settleOpenAi(facts, given) : settle(facts, given);
          const made = await madeBefore(deps, request, createdAs, { ...settled.facts, md5 });
          if (made !== null) throw new MadeBefore(made);
          return settled;
        },
      });
    });
    const file = await storing.catch((error: unknown) => {
      if (error instanceof MadeBefore) return (error as MadeBefore<FileRecord>).made;
      throw error;
    });
    watchDelivery(deps, reply, createdAs, file.id);
    deps.log.info({ file: file.id, purpose: file.purpose, bytes: file.bytes }, 'took an upload');
    return fileView(file, dialectOf(request));
  });
}

/** By what no client of Mistral's sends. */
function saysOpenAi(fields: ReadonlyMap<string, string>): boolean {
  const purpose = fields.get('purpose');
  return expiresAfterIn(fields) !== undefined || OPENAI_ONLY_PURPOSES.some((only) => only === purpose);
}

/**
 * The file that an earlier try of the call made, or one with the same `Idempotency-Key`; null if there is none.
 * @throws ApiError if the key was another file's, or its file is deleted or expired
 */
async function madeBefore(
  deps: ApiDependencies,
  request: FastifyRequest,
  createdAs: string,
  { filename, purpose, md5 }: UploadFacts & { readonly md5: string },
): Promise<FileRecord | null> {
  const { database } = deps;
  const { workspaceId, creator } = request.caller;
  const keyed = keyedIdOf(request);
  const id = keyed ?? (await undeliveredOf(deps, request, createdAs));
  const made = id === null ? null : await database.getFile(workspaceId, id, creator);
  if (keyed === null) return made;
  if (made === null) {
    if ((await database.findFilePlace(workspaceId, keyed)) !== null) throw keySpent();
    return null;
  }
  if (made.filename !== filename || made.purpose !== purpose || made.signature !== md5) throw keyReused();
  return made;
}

function settle(facts: KnownFacts, fields: ReadonlyMap<string, string>): SettledUpload {
  const {
    purpose: named,
    visibility,
    expiry,
  } = validate(fileUploadFields, Object.fromEntries(fields), 'body');
  const purpose = named ?? purposeOf(facts.mimetype);
  if (purpose === 'batch' && !mayBeJsonl(facts.mimetype)) throw wrongType(facts.mimetype);
  return {
    facts: {
      ...facts,
      purpose,
      sampleType: SAMPLE_TYPE[purpose],
      mimetype: purpose === 'batch' ? 'application/jsonl' : facts.mimetype,
      visibility,
      expireMs: expiry === undefined ? null : expiry * HOUR_MS,
    },
    check: purpose === 'batch' ? 'refuse-bad-lines' : 'no-index',
  };
}

/** Of a file whose uploader does not say. */
function purposeOf(mimetype: string): FilePurpose {
  if (mimetype === 'application/jsonl') return 'batch';
  return mimetype.startsWith('audio/') ? 'audio' : 'ocr';
}

/** In the words of the real service (reported). */
function wrongType(mimetype: string): ApiError {
  const message = `Received file with mimetype ${mimetype}, only application/jsonl is supported for the purpose batch.`;
  return new ApiError('bad_batch_file', 'Invalid file format.', { message }, {}, { message });
}
