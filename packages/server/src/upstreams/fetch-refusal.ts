/** Why a link in a request was not fetched. Codes are permanent: they stand in error lines. */
export const FETCH_REFUSALS = {
  file_url_invalid: 'It is no http or https URL, or it holds a user name or a password.',
  file_url_address:
    'Its host is, or is found at, an address that is private, local or reserved. Where that is wanted, BORA_FETCH_ALLOW admits it.',
  file_url_unreachable: 'No connection came about, or it broke.',
  file_url_redirects: 'It redirects too often, or to nowhere.',
  file_url_status: 'Its server does not give it.',
  file_url_too_large: 'It is larger than BORA_FETCH_MAX_BYTES allows.',
  file_url_timeout: 'Its server took longer than BORA_FETCH_TIMEOUT_SECONDS allows.',
} as const;

export type FetchRefusalCode = keyof typeof FETCH_REFUSALS;

/** A link was not fetched, or not to its end. */
export class FetchRefused extends Error {
  override readonly name = 'FetchRefused';
  readonly code: FetchRefusalCode;
  /** It may go well another time. */
  readonly isTransient: boolean;

  /** `detail` is added to the sentence of the code; it must tell nothing of the network behind Bora. */
  constructor(
    code: FetchRefusalCode,
    options: { detail?: string; isTransient?: boolean; cause?: unknown } = {},
  ) {
    const { detail, isTransient = false, cause } = options;
    super(detail === undefined ? FETCH_REFUSALS[code] : `${FETCH_REFUSALS[code]} ${detail}`, { cause });
    this.code = code;
    this.isTransient = isTransient;
  }
}
