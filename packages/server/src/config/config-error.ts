/** The configuration cannot be used. The message says which option, why, and what to write instead. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** Permanent code, listed in docs/errors.md. */
  readonly code = 'bad_configuration';
}
