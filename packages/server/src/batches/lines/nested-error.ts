import { utf8 } from './line-bytes.ts';

interface NestedError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

/**
 * An upstream's error body as OpenAI's clients read it: `{"error":{"message","type","param","code"}}`, all four, `code` a string or null.
 * One that is so already goes through byte for byte. Others write the error flat (SGLang, older vLLM, Mistral), as a string (Ollama, TGI), as
 * `detail` (FastAPI), or give `code` as a number (vLLM).
 */
export function nestedError(body: Uint8Array, status: number): Uint8Array {
  const answer = JSON.parse(utf8(body)) as unknown;
  const given = membersOf(answer);
  const nested = membersOf(given['error']);
  if (isWhole(nested)) return body;
  const { message, type, param, code } = typeof nested['message'] === 'string' ? nested : given;
  const error: NestedError = {
    message:
      [message, given['error'], given['detail']].map(sentence).find((text) => text !== null) ?? utf8(body),
    type: typeof type === 'string' ? type : status >= 500 ? 'server_error' : 'invalid_request_error',
    param: typeof param === 'string' ? param : null,
    code: typeof code === 'string' || typeof code === 'number' ? String(code) : null,
  };
  return Buffer.from(JSON.stringify({ error }));
}

function isWhole({ message, type, param, code }: Record<string, unknown>): boolean {
  return (
    typeof message === 'string' &&
    typeof type === 'string' &&
    (param === null || typeof param === 'string') &&
    (code === null || typeof code === 'string')
  );
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function sentence(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value;
  return value === undefined || value === null ? null : JSON.stringify(value);
}
