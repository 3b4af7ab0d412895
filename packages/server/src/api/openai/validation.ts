import type { z } from 'zod';
import { kindOf } from '../../bytes/request-line.ts';
import { ApiError } from '../errors.ts';

/** A parameter that cannot be taken, in OpenAI's words. */
export function invalidParameter(message: string, param: string | null, code: string | null): ApiError {
  return new ApiError('invalid_request', message, {}, {}, { param, code });
}

function missingParameter(param: string): ApiError {
  return invalidParameter(`Missing required parameter: '${param}'.`, param, 'missing_required_parameter');
}

/** (observed) */
export function unsupportedValue(param: string, value: string, supported: readonly string[]): ApiError {
  const message = `Invalid value: '${value}'. Supported values are: ${listed(supported)}.`;
  return invalidParameter(message, param, 'invalid_value');
}

/**
 * Checks a part of a call.
 * @throws ApiError with the first issue, in the words of OpenAI's API where they are known
 */
export function validateOpenAi<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw refusalOf(result.error.issues[0]);
}

function refusalOf(issue: z.core.$ZodIssue): ApiError {
  const param = issue.path.map(String).join('.');
  if (issue.input === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value')) {
    return missingParameter(param);
  }
  switch (issue.code) {
    case 'invalid_type':
      return invalidParameter(
        `Invalid type for '${param}': expected ${withArticle(issue.expected)}, but got ${nameOf(issue.input)} instead.`,
        param,
        'invalid_type',
      );
    case 'invalid_value':
      return unsupportedValue(param, wordOf(issue.input), issue.values.map(String));
    case 'too_big':
    case 'too_small':
      return outOfRange(issue, param);
    default:
      return invalidParameter(`Invalid '${param}': ${issue.message}.`, param, 'invalid_value');
  }
}

function outOfRange(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall, param: string): ApiError {
  const isBig = issue.code === 'too_big';
  const limit = Number(isBig ? issue.maximum : issue.minimum);
  if (issue.origin === 'string') {
    const length = String(issue.input).length;
    return invalidParameter(
      `Invalid '${param}': string too long. Expected a string with maximum length ${limit}, but got a string with length ${length} instead.`,
      param,
      'string_above_max_length',
    );
  }
  if (issue.origin === 'array') {
    const { length } = issue.input as readonly unknown[];
    return invalidParameter(
      `Invalid '${param}': array too long. Expected an array with maximum length ${limit}, but got an array with length ${length} instead.`,
      param,
      'array_above_max_length',
    );
  }
  const [side, sign, code] = isBig
    ? ['above maximum', '<=', 'integer_above_max_value']
    : ['below minimum', '>=', 'integer_below_min_value'];
  return invalidParameter(
    `Invalid '${param}': integer ${side} value. Expected a value ${sign} ${limit}, but got ${String(issue.input)} instead.`,
    param,
    code,
  );
}

function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function nameOf(value: unknown): string {
  return kindOf(value)
    .replace('number', Number.isInteger(value) ? 'integer' : 'decimal')
    .replace(/^a (?=i)/, 'an ');
}

/** Every number of the API is an integer. */
const NAMES: Readonly<Record<string, string>> = { int: 'integer', number: 'integer', record: 'object' };

function withArticle(expected: string): string {
  const name = NAMES[expected] ?? expected;
  return `${/^[aeio]/.test(name) ? 'an' : 'a'} ${name}`;
}

function listed(values: readonly string[]): string {
  const quoted = values.map((value) => `'${value}'`);
  return quoted.length < 3 ? quoted.join(' and ') : `${quoted.slice(0, -1).join(', ')}, and ${quoted.at(-1)}`;
}
