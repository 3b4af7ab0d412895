import { z } from 'zod';
import { usageOf } from './choices.ts';
import { inputsOf, inputTokens, textsOrTokens } from './inputs.ts';
import type { Input } from './inputs.ts';
import type { Refusal } from './refusals.ts';
import { seededRandom, seedOfText } from './seeded-random.ts';
import { SETTINGS } from './settings.ts';
import { answerId, createdAt, invalidRequest } from './work.ts';
import type { Work, WorkContext } from './work.ts';

const dimensions = z.int().min(1).max(SETTINGS.embeddingDimensions.max).nullish();
const embeddingRequest = z.object({
  model: z.string().optional(),
  input: textsOrTokens,
  /** OpenAI's word and Mistral's. */
  dimensions,
  output_dimension: dimensions,
  encoding_format: z.enum(['float', 'base64']).nullish(),
});

/** `POST /v1/embeddings`. An input has the same vector in every request, whatever stands beside it. */
export function readEmbedding(body: unknown, { settings, random }: WorkContext): Work | Refusal {
  const request = embeddingRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  const { model = settings.models[0], input, encoding_format } = request.data;
  const length = request.data.dimensions ?? request.data.output_dimension ?? settings.embeddingDimensions;

  const inputs = inputsOf(input);
  const promptTokens = inputTokens(inputs);
  const id = answerId('embd', random);
  const created = createdAt(random);
  return {
    model,
    promptTokens,
    completionTokens: 0,
    longestChoice: 0,
    writeTexts: () => [],
    answerWith: () => ({
      id,
      object: 'list',
      created,
      model,
      data: inputs.map((one, index) => {
        const vector = embed(one, model, length, settings.seed);
        return {
          index,
          object: 'embedding',
          embedding: encoding_format === 'base64' ? base64Of(vector) : vector,
        };
      }),
      usage: usageOf(promptTokens, 0),
    }),
  };
}

/** A vector of length 1, to the seven digits that it is rounded to. */
function embed(input: Input, model: string, length: number, seed: number): number[] {
  const text = typeof input === 'string' ? input : input.join();
  const random = seededRandom(seed, seedOfText(text), text.length, seedOfText(model));
  const values = Array.from({ length }, () => random() * 2 - 1);
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return values.map((value) => Math.round((value / norm) * 1e7) / 1e7);
}

/** 32-bit floats, little-endian: what OpenAI's SDK asks for unless told otherwise. */
function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(4 * vector.length);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, 4 * index);
  return bytes.toString('base64');
}
