import type { InputLine } from './job-types.ts';
import type { JsonObject } from './outcome.ts';

/**
 * A request of a batch: what becomes one line of an input file. Any object of this shape is one; the builders only help to write it.
 * Without a `custom_id` `Requests` gives it `request-<place>`, the place counted from 0.
 */
export type BatchRequest = InputLine;

/** Members of a body beside the required one; whatever the endpoint takes, under its wire name. */
export interface BodyMembers {
  readonly model?: string;
  readonly [member: string]: unknown;
}

/** Members that `/v1/chat/completions` and `/v1/fim/completions` share; any other may stand beside them. */
export interface GenerationMembers extends BodyMembers {
  readonly max_tokens?: number;
  readonly min_tokens?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly random_seed?: number;
  readonly stop?: string | readonly string[];
}

export interface ChatMembers extends GenerationMembers {
  readonly response_format?: Readonly<JsonObject>;
  readonly tools?: readonly Readonly<JsonObject>[];
  readonly tool_choice?: string | Readonly<JsonObject>;
}

export interface Message {
  readonly role: string;
  readonly content?: string | readonly Readonly<JsonObject>[] | null;
  readonly [member: string]: unknown;
}

/** Where the document of an OCR request is: an uploaded file (purpose `ocr`), a link to a document, or a link to an image. */
export type OcrDocument =
  | { readonly file_id: string }
  | { readonly document_url: string }
  | { readonly image_url: string };

/** What is to be transcribed: an uploaded file (purpose `audio`) or a link. */
export type Recording = { readonly file_id: string } | { readonly file_url: string };

/** For `/v1/chat/completions`. A string is one message of the user. */
export function forChat(
  messages: string | readonly Message[],
  members: ChatMembers = {},
  customId?: string,
): BatchRequest {
  return requestOf({ ...members, messages: asMessages(messages) }, customId);
}

/** For `/v1/fim/completions`: the code before the gap; `suffix` is a member. */
export function forFim(prompt: string, members: GenerationMembers = {}, customId?: string): BatchRequest {
  return requestOf({ ...members, prompt }, customId);
}

/** For `/v1/embeddings`. */
export function forEmbeddings(
  input: string | readonly string[],
  members: BodyMembers = {},
  customId?: string,
): BatchRequest {
  return requestOf({ ...members, input }, customId);
}

/** For `/v1/moderations`. */
export function forModeration(
  input: string | readonly string[],
  members: BodyMembers = {},
  customId?: string,
): BatchRequest {
  return requestOf({ ...members, input }, customId);
}

/** For `/v1/chat/moderations`: one conversation, or a list of them. A string is one message of the user. */
export function forChatModeration(
  input: string | readonly Message[] | readonly (readonly Message[])[],
  members: BodyMembers = {},
  customId?: string,
): BatchRequest {
  return requestOf({ ...members, input: asMessages(input) }, customId);
}

/** For `/v1/classifications`. */
export function forClassification(
  input: string | readonly string[],
  members: BodyMembers = {},
  customId?: string,
): BatchRequest {
  return requestOf({ ...members, input }, customId);
}

/** For `/v1/chat/classifications`: `input` holds `messages`. A string is one message of the user. */
export function forChatClassification(
  messages: string | readonly Message[],
  members: BodyMembers = {},
  customId?: string,
): BatchRequest {
  return requestOf({ ...members, input: { messages: asMessages(messages) } }, customId);
}

/** For `/v1/ocr`. */
export function forOcr(document: OcrDocument, members: BodyMembers = {}, customId?: string): BatchRequest {
  return requestOf({ ...members, document: { type: typeOf(document), ...document } }, customId);
}

/** For `/v1/conversations`. */
export function forConversation(
  inputs: string | readonly Readonly<JsonObject>[],
  members: BodyMembers = {},
  customId?: string,
): BatchRequest {
  return requestOf({ ...members, inputs }, customId);
}

/** For `/v1/audio/transcriptions`. */
export function forTranscription(
  recording: Recording,
  members: BodyMembers = {},
  customId?: string,
): BatchRequest {
  return requestOf({ ...members, ...recording }, customId);
}

function requestOf(body: Readonly<JsonObject>, customId: string | undefined): BatchRequest {
  return customId === undefined ? { body } : { custom_id: customId, body };
}

function asMessages<Messages>(messages: string | Messages): readonly Message[] | Messages {
  return typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages;
}

function typeOf(document: OcrDocument): string {
  if ('file_id' in document) return 'file';
  return 'document_url' in document ? 'document_url' : 'image_url';
}
