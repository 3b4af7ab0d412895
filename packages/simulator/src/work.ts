import type { z } from 'zod';
import { readForm } from './forms.ts';
import { badRequest, unknownModel } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import type { Random } from './seeded-random.ts';
import type { SimulatorSettings } from './settings.ts';

/** A request that was understood: what it costs, and how to answer it once that time is over. */
export interface Work {
  readonly model: string;
  readonly promptTokens: number;
  /** Over all choices. */
  readonly completionTokens: number;
  /** Tokens of the longest choice: choices are written side by side, so this one decides how long it takes. */
  readonly longestChoice: number;
  /** What the choices or pages say; none where the answer holds no text. */
  writeTexts(): string[];
  answerWith(texts: readonly string[]): unknown;
}

/** What an endpoint needs beside the request. `random` is seeded with the simulator's seed and the body. */
export interface WorkContext {
  readonly settings: SimulatorSettings;
  readonly random: Random;
}

export type ReadWork = (body: unknown, context: WorkContext) => Work | Refusal;

export function isRefusal(read: Work | Refusal): read is Refusal {
  return 'status' in read;
}

/** Understands the body of a request, or says what is wrong with it. `formType` is the content type of a form, null for JSON. */
export function readWork(
  read: ReadWork,
  body: Buffer,
  formType: string | null,
  context: WorkContext,
): Work | Refusal {
  let value: unknown;
  try {
    value = formType === null ? JSON.parse(body.toString()) : readForm(body, formType);
  } catch (error) {
    return badRequest(`1 validation error: body is not valid JSON: ${(error as Error).message}`);
  }
  const work = read(value, context);
  if (isRefusal(work) || context.settings.models.includes(work.model)) return work;
  return unknownModel(work.model);
}

/** As vLLM reports what its own validation found. */
export function invalidRequest(error: z.ZodError): Refusal {
  const problems = error.issues.map((issue) => `body.${issue.path.join('.')}: ${issue.message}`);
  return badRequest(
    `${problems.length} validation error${problems.length === 1 ? '' : 's'}: ${problems.join('; ')}`,
  );
}

/**
 * JSON text of the answer. A text of ASCII letters is lengthened byte for byte, so an answer gets exactly `answerBytes` long, or is
 * left longer.
 */
export function writeAnswer(work: Work, settings: SimulatorSettings): string {
  const indent = settings.prettyPrint ? 2 : undefined;
  const texts = work.writeTexts();
  const answer = JSON.stringify(work.answerWith(texts), null, indent);
  if (settings.answerBytes === null || texts.length === 0) return answer;
  const missing = settings.answerBytes - Buffer.byteLength(answer);
  if (missing <= 0) return answer;
  texts[0] += ' and so on'.repeat(Math.ceil(missing / 10)).slice(0, missing);
  return JSON.stringify(work.answerWith(texts), null, indent);
}

/** 2026-01-01T00:00:00Z, in seconds. */
const FIRST_CREATED = 1_767_225_600;
const DAY_SECONDS = 86_400;

/** `created` of an answer: from the seed as all the rest, so that the same request is answered with the same bytes at any time. */
export function createdAt(random: Random): number {
  return FIRST_CREATED + Math.floor(random() * DAY_SECONDS);
}

export function answerId(prefix: string, random: Random): string {
  let id = `${prefix}-`;
  for (let part = 0; part < 4; part++) {
    id += Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  }
  return id;
}
