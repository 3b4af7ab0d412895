import { fileUploadFields } from '@bora/protocol/mistral-files';
import type { FilePurpose, SampleType } from '@bora/protocol/mistral-files';
import type { OpenAiFile } from '@bora/protocol/openai-files';
import type { FastifyInstance } from 'fastify';
import type { SettledUpload } from '../../files/ingest.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { dialectOf } from '../dialect.ts';
import { ApiError } from '../errors.ts';
import { expiresAfterIn, settleOpenAi } from '../openai/file-fields.ts';
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
 * purpose may be known; whether a bad line refuses it is decided behind the last part. What is refused leaves nothing behind.
 */
export function uploadRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.post('/v1/files', { config: { access: 'write' } }, async (request): Promise<OpenAiFile> => {
    const { caller } = request;
    const file = await readMultipart(request.raw, ({ bytes, filename }, fields) => {
      const facts = factsOf(caller, displayName(filename));
      return storeFile(deps, caller, facts, bytes, {
        check: mayBeJsonl(facts.mimetype) ? 'index-only' : 'no-index',
        settle: async () => {
          const given = await fields;
          // No client of Mistral's sends it.
          if (expiresAfterIn(given) !== undefined) request.dialect = 'openai';
          const now = deps.clock.now();
          return dialectOf(request) === 'openai'
            ? settleOpenAi(facts, given, now)
            : settle(facts, given, now);
        },
      });
    });
    deps.log.info({ file: file.id, purpose: file.purpose, bytes: file.bytes }, 'took an upload');
    return fileView(file, dialectOf(request));
  });
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
