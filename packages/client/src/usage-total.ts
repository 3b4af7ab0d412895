import type { JsonObject, RequestOutcome } from './outcome.ts';

/** What a run used, added up over its outcomes. A member that answers do not give stays 0. */
export class UsageTotal {
  /** Outcomes that said what they used. */
  requests = 0;
  promptTokens = 0;
  completionTokens = 0;
  /** As the answers say it; where one does not, its prompt and completion together. */
  totalTokens = 0;
  /** Of documents, from `/v1/ocr`. */
  pages = 0;
  /** From `/v1/audio/transcriptions`. */
  audioSeconds = 0;

  /** Failed outcomes count with what they say they used. */
  add({ body }: RequestOutcome<object>): void {
    const { usage, usage_info: info } = (typeof body === 'object' && body !== null ? body : {}) as JsonObject;
    if (!isObject(usage) && !isObject(info)) return;
    this.requests += 1;
    if (isObject(info)) this.pages += numberOf(info['pages_processed']);
    if (!isObject(usage)) return;
    const prompt = numberOf(usage['prompt_tokens'] ?? usage['input_tokens']);
    const completion = numberOf(usage['completion_tokens'] ?? usage['output_tokens']);
    this.promptTokens += prompt;
    this.completionTokens += completion;
    this.totalTokens += numberOf(usage['total_tokens']) || prompt + completion;
    this.audioSeconds += numberOf(usage['prompt_audio_seconds']);
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
