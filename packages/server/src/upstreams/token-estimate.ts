import type { Usage } from '../bytes/read-usage.ts';

/** English and JSON: about four bytes a token. */
const TOKENS_PER_BYTE = 1 / 4;
/** A short answer. */
const OUTPUT_TOKENS = 256;
/** Weight of one more answer: some dozens of them make the estimate theirs. */
const NEW = 1 / 16;

/** How many tokens a request will use: learned from what the answers before it say. */
export class TokenEstimate {
  #perByte = TOKENS_PER_BYTE;
  #output = OUTPUT_TOKENS;

  of(bodyBytes: number): number {
    return Math.ceil(bodyBytes * this.#perByte + this.#output);
  }

  learn(bodyBytes: number, { inputTokens, outputTokens }: Usage): void {
    if (bodyBytes > 0) this.#perByte += NEW * (inputTokens / bodyBytes - this.#perByte);
    this.#output += NEW * (outputTokens - this.#output);
  }
}
