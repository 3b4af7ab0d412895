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
import { createdIdOf, keyReused, RepeatedCreates } from '../repeated-creates.ts';
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
 * purpose may be known; whether a bad line refuses it, and whether it is there already (`RepeatedCreates`), is decided behind the last
 * part. What is refused leaves nothing behind.
 */
export function uploadRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const repeated = new RepeatedCreates(deps.clock);
  app.post('/v1/files', { config: { access: 'write' } }, async (request, reply): Promise<OpenAiFile> => {
    const { caller } = request;
    const id = createdIdOf(request);
    let what: readonly unknown[] = [];
    const storing = readMultipart(request.raw, ({ bytes, filename }, fields) => {
      const facts = { ...factsOf(caller, displayName(filename)), id };
      return storeFile(deps, caller, facts, bytes, {
        check: mayBeJsonl(facts.mimetype) ? 'index-only' : 'no-index',
        settle: async (_index, md5) => {
          const given = await fields;
          what = [facts.filename, [...given], md5];
          if (saysOpenAi(given)) request.dialect = 'openai';
          const now = deps.clock.now();
          const settled =
            dialectOf(request) === 'openai' ? settleOpenAi(facts, given, now) : settle(facts, given, now);
          const made = await madeBefore(deps, request, repeated.take(request, what), {
            ...settled.facts,
            md5,
          });
          if (made !== null) throw new MadeBefore(made);
          return settled;
        },
      });
    });
    const file = await storing.catch((error: unknown) => {
      if (error instanceof MadeBefore) return error.file;
      throw error;
    });
    repeated.watch(request, reply, what, file.id);
    deps.log.info({ file: file.id, purpose: file.purpose, bytes: file.bytes }, 'took an upload');
    return fileView(file, dialectOf(request));
  });
}

/** By what no client of Mistral's sends. */
function saysOpenAi(fields: ReadonlyMap<string, string>): boolean {
  const purpose = fields.get('purpose');
  return expiresAfterIn(fields) !== undefined || OPENAI_ONLY_PURPOSES.some((only) => only === purpose);
}

/** Ends an upload that brought what is there already. */
class MadeBefore extends Error {
  override readonly name = 'MadeBefore';
  readonly file: FileRecord;

  constructor(file: FileRecord) {
    super(`The file ${file.id} was made of this upload before.`);
    this.file = file;
  }
}

/**
 * The file that an earlier try of the call made, or one with the same `Idempotency-Key`; null if there is none.
 * @throws ApiError if the key was another file's
 */
async function madeBefore(
  { database }: ApiDependencies,
  { caller, headers }: FastifyRequest,
  undelivered: string | null,
  { id, filename, purpose, md5 }: UploadFacts & { readonly md5: string },
): Promise<FileRecord | null> {
  const find = (fileId: string): Promise<FileRecord | null> =>
    database.getFile(caller.workspaceId, fileId, caller.creator);
  if (headers['idempotency-key'] === undefined) return undelivered === null ? null : find(undelivered);
  const made = await find(id);
  if (made === null) return null;
  if (made.filename !== filename || made.purpose !== purpose || made.signature !== md5) throw keyReused();
  return made;
}

function settle(facts: KnownFacts, fields: ReadonlyMap<string, string>, now: number): SettledUpload {
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
      expiresAt: expiry === undefined ? null : now + expiry * HOUR_MS,
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
  return new ApiError('bad_batch_file', 'Invalid file format.', {
    message: `Received file with mimetype ${mimetype}, only application/jsonl is supported for the purpose batch.`,
  });
}
