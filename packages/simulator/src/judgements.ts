import { z } from 'zod';
import { usageOf } from './choices.ts';
import { message, messageTokens, textOf } from './messages.ts';
import type { Message } from './messages.ts';
import type { Refusal } from './refusals.ts';
import { seededRandom, seedOfText } from './seeded-random.ts';
import type { Random } from './seeded-random.ts';
import { countTokens } from './text.ts';
import { answerId, invalidRequest } from './work.ts';
import type { ReadWork, Work, WorkContext } from './work.ts';

/** The categories of Mistral's moderation model. */
const CATEGORIES = [
  'sexual',
  'hate_and_discrimination',
  'violence_and_threats',
  'dangerous_and_criminal_content',
  'selfharm',
  'health',
  'financial',
  'law',
  'pii',
] as const;

/** What the simulated classifier was trained on: targets with their labels. */
const TARGETS = {
  sentiment: ['positive', 'neutral', 'negative'],
  topic: ['order', 'delivery', 'return', 'product', 'other'],
} as const;

/** What is judged, in the order of the results. */
interface Judged {
  readonly model: string | undefined;
  readonly texts: readonly string[];
  readonly promptTokens: number;
}

const model = z.string().optional();
const oneOrMore = <Item extends z.ZodType>(item: Item) => z.union([item, z.array(item).min(1)]);
const messages = z.array(message).min(1);
const textRequest = z.object({ model, input: oneOrMore(z.string()) });
const messagesRequest = z.object({ model, input: oneOrMore(messages) });
const chatRequest = z.object({ model, input: oneOrMore(z.object({ messages })) });

function readTexts(body: unknown): Judged | Refusal {
  const request = textRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  const texts = [request.data.input].flat();
  const promptTokens = texts.reduce((sum, text) => sum + countTokens(text), 0);
  return { model: request.data.model, texts, promptTokens };
}

function readMessages(body: unknown): Judged | Refusal {
  const request = messagesRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  const { input } = request.data;
  return judgedChats(request.data.model, (Array.isArray(input[0]) ? input : [input]) as Message[][]);
}

function readChats(body: unknown): Judged | Refusal {
  const request = chatRequest.safeParse(body);
  if (!request.success) return invalidRequest(request.error);
  return judgedChats(
    request.data.model,
    [request.data.input].flat().map((chat) => chat.messages),
  );
}

function judgedChats(named: string | undefined, chats: readonly Message[][]): Judged {
  return {
    model: named,
    texts: chats.map((chat) => chat.map(textOf).join('\n')),
    promptTokens: messageTokens(chats.flat()),
  };
}

/** Seldom, and then clearly: most texts are harmless. */
function moderate(random: Random): object {
  const scores = CATEGORIES.map((category) => [category, rounded(random() ** 12)] as const);
  return {
    categories: Object.fromEntries(scores.map(([category, score]) => [category, score > 0.5])),
    category_scores: Object.fromEntries(scores),
  };
}

/** Scores of one target add up to 1. */
function classify(random: Random): object {
  return Object.fromEntries(
    Object.entries(TARGETS).map(([target, labels]) => {
      const weights = labels.map(() => random() ** 4 + 0.001);
      const sum = weights.reduce((total, weight) => total + weight, 0);
      return [
        target,
        { scores: Object.fromEntries(labels.map((label, at) => [label, rounded(weights[at] / sum)])) },
      ];
    }),
  );
}

function rounded(score: number): number {
  return Math.round(score * 1e6) / 1e6;
}

/** A text gets the same result in every request, whatever stands beside it. */
function judging(
  idPrefix: string,
  read: (body: unknown) => Judged | Refusal,
  judge: (random: Random) => object,
): ReadWork {
  return (body: unknown, { settings, random }: WorkContext): Work | Refusal => {
    const judged = read(body);
    if ('status' in judged) return judged;
    const { model: named = settings.models[0], texts, promptTokens } = judged;
    const id = answerId(idPrefix, random);
    return {
      model: named,
      promptTokens,
      completionTokens: 0,
      longestChoice: 0,
      writeTexts: () => [],
      answerWith: () => ({
        id,
        model: named,
        usage: usageOf(promptTokens, 0),
        results: texts.map((text) =>
          judge(seededRandom(settings.seed, seedOfText(text), text.length, seedOfText(named))),
        ),
      }),
    };
  };
}

/** `POST /v1/moderations` */
export const readModeration = judging('modr', readTexts, moderate);
/** `POST /v1/chat/moderations`: of messages, or of several such lists. */
export const readChatModeration = judging('modr', readMessages, moderate);
/** `POST /v1/classifications` */
export const readClassification = judging('clsf', readTexts, classify);
/** `POST /v1/chat/classifications`: of `{messages}`, or of several. */
export const readChatClassification = judging('clsf', readChats, classify);
