import type { SampleType } from '@bora/protocol/mistral-files';
import { expiresAfter, OPENAI_UPLOAD_PURPOSES } from '@bora/protocol/openai-files';
import type { OpenAiUploadPurpose } from '@bora/protocol/openai-files';
import { z } from 'zod';
import type { SettledUpload } from '../../files/ingest.ts';
import type { KnownFacts } from '../files/file-facts.ts';
import { mayBeJsonl } from '../files/file-names.ts';
import { invalidParameter, validateOpenAi } from './validation.ts';

/** What Mistral's view calls the content of a file, by the purpose that OpenAI's client gave it. */
const SAMPLE_TYPE: Readonly<Record<OpenAiUploadPurpose, SampleType>> = {
  batch: 'batch_request',
  'fine-tune': 'instruct',
  evals: 'instruct',
  assistants: 'ocr_input',
  user_data: 'ocr_input',
  vision: 'ocr_input',
};

/** The members of `expires_after[…]`, or `expires_after.…` as Azure writes it, in a form's text parts; undefined if there are none. */
export function expiresAfterIn(fields: ReadonlyMap<string, string>): Record<string, string> | undefined {
  const members = [...fields].flatMap(([name, value]) => {
    const [, bracketed, member = bracketed] = /^expires_after(?:\[(.*)\]|\.(.*))$/.exec(name) ?? [];
    return member === undefined ? [] : [[member, value] as const];
  });
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

/** What the text parts of an OpenAI client's form make of a file. */
export function settleOpenAi(facts: KnownFacts, fields: ReadonlyMap<string, string>): SettledUpload {
  const purpose = purposeFrom(fields.get('purpose'));
  const after = expiresAfterIn(fields);
  const { expires_after: expiry } = validateOpenAi(z.object({ expires_after: expiresAfter.optional() }), {
    expires_after: after,
  });
  return asOpenAiFile(facts, purpose, expiry === undefined ? null : expiry.seconds * 1000);
}

/** OpenAI's API takes a file of requests as it is: what is wrong with its lines is told by the batch that reads it (observed). */
export function asOpenAiFile(
  facts: KnownFacts,
  purpose: OpenAiUploadPurpose,
  expireMs: number | null,
): SettledUpload {
  const isBatch = purpose === 'batch';
  if (isBatch && !mayBeJsonl(facts.mimetype)) {
    throw invalidParameter('Invalid file format for Batch API. Must be .jsonl', null, null);
  }
  const mimetype = isBatch ? 'application/jsonl' : facts.mimetype;
  return {
    facts: { ...facts, purpose, sampleType: SAMPLE_TYPE[purpose], mimetype, expireMs },
    check: isBatch ? 'index-only' : 'no-index',
  };
}

/** In the words of OpenAI's API (observed). */
export function purposeFrom(purpose: string | undefined): OpenAiUploadPurpose {
  if (purpose === undefined) {
    throw invalidParameter("Missing required parameter: 'purpose'.", 'purpose', 'missing_required_parameter');
  }
  const known = OPENAI_UPLOAD_PURPOSES.find((each) => each === purpose);
  if (known !== undefined) return known;
  const purposes = OPENAI_UPLOAD_PURPOSES.map((each) => `'${each}'`).join(', ');
  throw invalidParameter(`'${purpose}' is not one of [${purposes}] - 'purpose'`, 'purpose', null);
}
