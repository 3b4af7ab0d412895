/**
 * How a call can break without a complete answer.
 *
 * - `refused`, `dns`, `unreachable`, `tls`: no connection came about; the upstream never saw the request.
 * - `stale`: the upstream had closed an idle connection that was used again. It never saw the request.
 * - `reset`: a fresh connection broke before the first byte of an answer.
 * - `cut`: the answer broke off, or was no HTTP.
 * - `timeout`: the deadline of the attempt passed.
 * - `local`: this machine has no socket, port or memory left for it.
 */
export type NetworkFailure =
  | 'refused'
  | 'dns'
  | 'unreachable'
  | 'tls'
  | 'stale'
  | 'reset'
  | 'cut'
  | 'timeout'
  | 'local';

const BY_CODE: Readonly<Record<string, NetworkFailure>> = {
  ECONNREFUSED: 'refused',
  ENOENT: 'refused',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
  UND_ERR_CONNECT_TIMEOUT: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  ETIMEDOUT: 'unreachable',
  EPROTO: 'tls',
  EMFILE: 'local',
  ENFILE: 'local',
  ENOBUFS: 'local',
  ENOMEM: 'local',
  EADDRNOTAVAIL: 'local',
};

const TLS_CODE = /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH)/;
const BROKEN_CONNECTION = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET']);

/** Where the call was when it broke. */
export interface BreakPoint {
  /** Bytes of an answer to this request had come. */
  readonly answerBegun: boolean;
  /** The connection had carried an earlier answer. */
  readonly connectionUsed: boolean;
}

export function networkFailureOf(error: Error, at: BreakPoint): NetworkFailure {
  const code = errorCode(error);
  if (at.answerBegun) return 'cut';
  const known = BY_CODE[code];
  if (known !== undefined) return known;
  if (TLS_CODE.test(code)) return 'tls';
  if (!BROKEN_CONNECTION.has(code)) return 'cut';
  return at.connectionUsed ? 'stale' : 'reset';
}

/** The code of an error, of the first inner one where several addresses were tried, or its name. */
export function errorCode(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined) return code;
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return errorCode(error.errors[0]);
  return error.name;
}
