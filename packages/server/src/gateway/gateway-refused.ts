export type GatewayRefusal =
  | 'invalid_json'
  | 'no_model'
  | 'model_not_found'
  | 'not_served_now'
  | 'upstream_failed'
  | 'upstream_timeout';

/** A call that is not passed through, or to which no answer began. The message is for the caller. */
export class GatewayRefused extends Error {
  override readonly name = 'GatewayRefused';
  readonly refusal: GatewayRefusal;

  constructor(refusal: GatewayRefusal, message: string, options?: ErrorOptions) {
    super(message, options);
    this.refusal = refusal;
  }
}
