import type { ValidationIssue } from '@bora/protocol/mistral-errors';
import type { z } from 'zod';
import { ApiError } from './errors.ts';

type Place = 'body' | 'query' | 'path';

/** Of one call. Who sends ten thousand wrong members learns from the first hundred. */
const ISSUES_SHOWN = 100;
/** Of what was sent and is shown again. */
const CHARACTERS_SHOWN = 200;

/**
 * Checks a part of a call.
 * @throws ApiError 422 with the issues, in the shape and the words (`missing`, `greater_than_equal`, `enum`, …) of Mistral's API.
 */
export function validate<S extends z.ZodType>(schema: S, value: unknown, place: Place): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const { issues } = result.error;
  throw new ApiError(
    'invalid_request',
    issues.slice(0, ISSUES_SHOWN).map((issue) => toValidationIssue(issue, place)),
    issues.length > ISSUES_SHOWN
      ? { description: `The first ${ISSUES_SHOWN} of ${issues.length} errors are listed.` }
      : {},
  );
}

function toValidationIssue(issue: z.core.$ZodIssue, place: Place): ValidationIssue {
  const loc = [
    place,
    ...issue.path.map((step) => (typeof step === 'number' ? step : String(step).slice(0, CHARACTERS_SHOWN))),
  ];
  return { loc, ...describe(issue), ...(isShort(issue.input) ? { input: issue.input } : {}) };
}

function isShort(input: unknown): boolean {
  if (typeof input === 'string') return input.length <= CHARACTERS_SHOWN;
  return input === null || typeof input === 'number' || typeof input === 'boolean';
}

function describe(issue: z.core.$ZodIssue): Pick<ValidationIssue, 'msg' | 'type' | 'ctx'> {
  switch (issue.code) {
    case 'too_small':
    case 'too_big':
      return describeSize(issue);
    case 'invalid_value': {
      const words = issue.values.map((value) => `'${String(value)}'`);
      return issue.input === undefined
        ? { msg: 'Field required', type: 'missing' }
        : { msg: `Input should be ${oneOf(words)}`, type: 'enum', ctx: { expected: oneOf(words) } };
    }
    case 'invalid_type':
      return issue.input === undefined
        ? { msg: 'Field required', type: 'missing' }
        : { msg: `Input should be a valid ${issue.expected}`, type: `${issue.expected}_type` };
    case 'invalid_format':
      return issue.format === 'guid'
        ? { msg: 'Input should be a valid UUID', type: 'uuid_parsing' }
        : { msg: issue.message, type: 'string_pattern_mismatch' };
    case 'custom':
      return { msg: issue.message, type: 'value_error' };
    default:
      return { msg: issue.message, type: issue.code };
  }
}

function describeSize(
  issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig,
): Pick<ValidationIssue, 'msg' | 'type' | 'ctx'> {
  const isSmall = issue.code === 'too_small';
  const limit = Number(isSmall ? issue.minimum : issue.maximum);
  const bound = isSmall ? 'at least' : 'at most';
  switch (issue.origin) {
    case 'string':
      return {
        msg: `String should have ${bound} ${limit} characters`,
        type: isSmall ? 'string_too_short' : 'string_too_long',
      };
    case 'array':
      return { msg: `List should have ${bound} ${limit} items`, type: isSmall ? 'too_short' : 'too_long' };
    default:
      return isSmall
        ? {
            msg: `Input should be greater than or equal to ${limit}`,
            type: 'greater_than_equal',
            ctx: { ge: limit },
          }
        : {
            msg: `Input should be less than or equal to ${limit}`,
            type: 'less_than_equal',
            ctx: { le: limit },
          };
  }
}

function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
