import { readChat } from './chat.ts';
import { readCompletion } from './completions.ts';
import { readConversation } from './conversations.ts';
import { readEmbedding } from './embeddings.ts';
import { readFim } from './fim.ts';
import {
  readChatClassification,
  readChatModeration,
  readClassification,
  readModeration,
} from './judgements.ts';
import { readOcr } from './ocr.ts';
import { readTranscription } from './transcriptions.ts';
import type { ReadWork } from './work.ts';

/** What is answered at a path. */
export interface Endpoint {
  readonly read: ReadWork;
  /** Takes `multipart/form-data` as well as JSON. */
  readonly takesForms: boolean;
}

const READERS = {
  '/v1/chat/completions': readChat,
  '/v1/completions': readCompletion,
  '/v1/fim/completions': readFim,
  '/v1/embeddings': readEmbedding,
  '/v1/moderations': readModeration,
  '/v1/chat/moderations': readChatModeration,
  '/v1/classifications': readClassification,
  '/v1/chat/classifications': readChatClassification,
  '/v1/ocr': readOcr,
  '/v1/conversations': readConversation,
  '/v1/audio/transcriptions': readTranscription,
} as const satisfies Readonly<Record<string, ReadWork>>;

export const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map(
  Object.entries(READERS).map(([path, read]) => [path, { read, takesForms: read === readTranscription }]),
);
