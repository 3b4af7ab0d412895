import { z } from 'zod';
import { FormFile } from './forms.ts';
import { badRequest } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import { writeText } from './text.ts';
import { invalidRequest } from './work.ts';
import type { Work, WorkContext } from './work.ts';

const granularity = z.enum(['segment', 'word']);
const transcriptionRequest = z.object({
  model: z.string().optional(),
  file: z.instanceof(FormFile).optional(),
  file_url: z.string().nullish(),
  file_id: z.string().nullish(),
  language: z.string().nullish(),
  diarize: z.union([z.boolean(), z.stringbool()]).nullish(),
  timestamp_granularities: z.union([granularity.transform((one) => [one]), z.array(granularity)]).nullish(),
});

const MOST_SECONDS = 60;
/** 16 kHz, 16 bits, one channel: what a file would hold if it were plain sound. */
const BYTES_PER_SECOND = 32_000;
const TOKENS_PER_SECOND = 12.5;
const WORDS_PER_SECOND = 2.5;
const SEGMENT_SECONDS = 8;

/**
 * `POST /v1/audio/transcriptions`, as JSON or as a form. Sound is as long as its bytes would be, or as chance has it where a link or an
 * id stands for them; what it says is never listened to.
 */
export function readTranscription(body: unknown, { settings, random }: WorkContext): Work | Refusal {
  const request = transcriptionRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  const { model = settings.models[0], file, file_url, file_id, language, diarize } = request.data;
  if (file === undefined && file_url == null && file_id == null) {
    return badRequest('1 validation error: body: one of file, file_url and file_id is required');
  }
  const seconds =
    file === undefined ? 2 + Math.floor(random() * MOST_SECONDS) : Math.ceil(file.bytes / BYTES_PER_SECOND);
  const promptTokens = Math.ceil(seconds * TOKENS_PER_SECOND);
  const segments = Array.from({ length: Math.ceil(seconds / SEGMENT_SECONDS) }, (_, at) => {
    const start = at * SEGMENT_SECONDS;
    const end = Math.min(seconds, start + SEGMENT_SECONDS);
    return { start, end, words: Math.round((end - start) * WORDS_PER_SECOND) };
  });
  const completionTokens = segments.reduce((sum, { words }) => sum + words, 0);
  const areSegmentsWanted = diarize === true || (request.data.timestamp_granularities ?? []).length > 0;
  return {
    model,
    promptTokens,
    completionTokens,
    longestChoice: completionTokens,
    writeTexts: () => segments.map(({ words }) => writeText(words, random)),
    answerWith: (texts) => ({
      model,
      text: texts.join(' '),
      language: language ?? 'en',
      segments: areSegmentsWanted
        ? segments.map(({ start, end }, at) => ({
            type: 'transcription_segment',
            text: texts[at],
            start,
            end,
            speaker_id: diarize === true ? `speaker_${1 + (at % 2)}` : null,
          }))
        : [],
      usage: {
        prompt_audio_seconds: seconds,
        prompt_tokens: promptTokens,
        total_tokens: promptTokens + completionTokens,
        completion_tokens: completionTokens,
      },
      finish_reason: null,
    }),
  };
}
