import { boundaryOf, fieldsNamed } from '../bytes/form-fields.ts';
import { isKey, JsonScanError, MemberWalk } from '../bytes/json-scan.ts';
import { spliceModel } from '../bytes/splice-body.ts';
import type { ForwardRequest } from '../upstreams/upstreams.ts';
import { GatewayRefused } from './gateway-refused.ts';

/** The model that a call asks for. */
export interface AskedModel {
  readonly name: string;
  /** The body, with another name in its place. */
  renamed(model: string): Uint8Array;
}

/** Reads it from a JSON object or a form. @throws GatewayRefused */
export function askedModel({ body, formType }: Pick<ForwardRequest, 'body' | 'formType'>): AskedModel {
  return formType === undefined
    ? ofJson(body)
    : ofForm(Buffer.from(body.buffer, body.byteOffset, body.length), formType);
}

/** Of duplicates the last counts, as for `JSON.parse`. */
function ofJson(body: Uint8Array): AskedModel {
  let model: Uint8Array | null = null;
  try {
    const member = new MemberWalk(body);
    while (member.next())
      if (isKey(body, member, 'model')) model = body.subarray(member.valueStart, member.valueEnd);
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    throw new GatewayRefused('invalid_json', 'The body is no JSON object.');
  }
  const name: unknown = model === null ? null : parsed(model);
  if (typeof name !== 'string' || name === '')
    throw new GatewayRefused('no_model', 'The body names no model: "model" must be a string.');
  return { name, renamed: (other) => spliceModel(body, other) };
}

/** Servers differ in which of several they take, so there must be one. */
function ofForm(form: Buffer, formType: string): AskedModel {
  const boundary = boundaryOf(formType);
  const models = boundary === null ? [] : [...fieldsNamed(form, boundary, 'model')];
  const [field] = models;
  if (models.length !== 1 || field.start === field.end) {
    const message = `The form must have one text field "model", not empty, but has ${models.length === 1 ? 'an empty one' : models.length}.`;
    throw new GatewayRefused('no_model', message);
  }
  return {
    name: form.toString('utf8', field.start, field.end),
    renamed: (other) =>
      Buffer.concat([form.subarray(0, field.start), Buffer.from(other), form.subarray(field.end)]),
  };
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return null;
  }
}
