/**
 * What the endpoints answer, as far as it is usually read: shapes to expect of `body`, under the wire's names. Nothing checks them, and an
 * upstream may leave out or add what it likes.
 */

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens?: number;
  readonly total_tokens: number;
}

/** Text, or a part of another kind, of a message that is not a plain string. */
export interface ContentPart {
  readonly type: string;
  readonly text?: string;
  readonly [member: string]: unknown;
}

export type Content = string | readonly ContentPart[] | null;

export interface ToolCall {
  readonly id: string;
  readonly function: { readonly name: string; readonly arguments: string };
}

/** Of `/v1/chat/completions` and `/v1/fim/completions`. */
export interface ChatAnswer {
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly message: {
      readonly role: string;
      readonly content: Content;
      readonly tool_calls?: readonly ToolCall[] | null;
    };
    readonly finish_reason: string;
  }[];
  readonly usage: Usage;
}

/** Of `/v1/embeddings`, one for each input; base64 in place of numbers where the request asked for it is not in this type. */
export interface EmbeddingsAnswer {
  readonly model: string;
  readonly data: readonly { readonly index: number; readonly embedding: readonly number[] }[];
  readonly usage: Usage;
}

/** Of `/v1/moderations` and `/v1/chat/moderations`, one result for each input. */
export interface ModerationAnswer {
  readonly model: string;
  readonly results: readonly {
    readonly categories: Readonly<Record<string, boolean>>;
    readonly category_scores: Readonly<Record<string, number>>;
  }[];
}

/** Of `/v1/classifications` and `/v1/chat/classifications`: for each input the scores of the labels of each target. */
export interface ClassificationAnswer {
  readonly model: string;
  readonly results: readonly Readonly<
    Record<string, { readonly scores: Readonly<Record<string, number>> }>
  >[];
}

/** Of `/v1/ocr`. */
export interface OcrAnswer {
  readonly model: string;
  readonly pages: readonly { readonly index: number; readonly markdown: string }[];
  /** JSON, if the request asked for it. */
  readonly document_annotation?: string | null;
  readonly usage_info: { readonly pages_processed: number; readonly doc_size_bytes?: number | null };
}

/** Of `/v1/conversations`. Outputs other than messages have no content. */
export interface ConversationAnswer {
  readonly conversation_id: string;
  readonly outputs: readonly { readonly type?: string; readonly content?: Content }[];
  readonly usage: Usage;
}

/** Of `/v1/audio/transcriptions`. */
export interface TranscriptionAnswer {
  readonly model: string;
  readonly text: string;
  readonly language?: string | null;
}

/** By endpoint, so that the endpoint of a list says what its outcomes hold. */
export interface AnswerOf {
  readonly '/v1/chat/completions': ChatAnswer;
  readonly '/v1/fim/completions': ChatAnswer;
  readonly '/v1/embeddings': EmbeddingsAnswer;
  readonly '/v1/moderations': ModerationAnswer;
  readonly '/v1/chat/moderations': ModerationAnswer;
  readonly '/v1/classifications': ClassificationAnswer;
  readonly '/v1/chat/classifications': ClassificationAnswer;
  readonly '/v1/ocr': OcrAnswer;
  readonly '/v1/conversations': ConversationAnswer;
  readonly '/v1/audio/transcriptions': TranscriptionAnswer;
}

/** The text of an answer: of its first choice, its messages, its pages, or what was said. Empty where it has none, such as for a tool call. */
export function textOf(answer: ChatAnswer | ConversationAnswer | OcrAnswer | TranscriptionAnswer): string {
  if ('choices' in answer) return contentText(answer.choices[0]?.message.content);
  if ('outputs' in answer) return answer.outputs.map(({ content }) => contentText(content)).join('');
  if ('pages' in answer) return answer.pages.map(({ markdown }) => markdown).join('\n\n');
  return answer.text;
}

function contentText(content: Content | undefined): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map(({ text }) => text ?? '').join('');
}
