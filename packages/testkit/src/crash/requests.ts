/** One model per batch, so that each batch's requests are distinct bodies to the simulator. */
export const CHAT_MODELS = ['finishes', 'is-cancelled', 'expires'];

export function customId(ordinal: number): string {
  return `request-${ordinal}`;
}

/** A line of the input file; about 600 bytes, so that 200 of them are more than a database row would hold. */
export function requestLine(ordinal: number): string {
  return `{"custom_id":"${customId(ordinal)}","body":${bodyOf(ordinal)}}`;
}

/** The body as it must arrive upstream: the line's, with the job's model spliced in as its first member. */
export function sentBody(ordinal: number, model: string): string {
  return bodyOf(ordinal).replace('{', `{"model":"${model}",`);
}

function bodyOf(ordinal: number): string {
  return `{"messages":[{"role":"user","content":"${ordinal}: ${'how strong is the wind today? '.repeat(18)}"}]}`;
}
