import type { Random } from './seeded-random.ts';

const WORDS =
  'the wind that comes down from the mountains in winter is cold and dry it blows in gusts over the sea and the harbour people there tie ropes along their streets to hold on to while ships wait for a calm day sailors say you hear it long before you feel'.split(
    ' ',
  );
const WORDS_PER_SENTENCE = 12;

/** Text of so many words, one for a token, ASCII only. It reads like language and means nothing. */
export function writeText(tokens: number, random: Random): string {
  let text = '';
  for (let token = 0; token < tokens; token++) {
    const word = WORDS[Math.floor(random() * WORDS.length)];
    const first = token % WORDS_PER_SENTENCE === 0;
    if (token > 0) text += first ? '. ' : ' ';
    text += first ? word[0].toUpperCase() + word.slice(1) : word;
  }
  return tokens === 0 ? '' : `${text}.`;
}

/** Tokens of a text as a tokeniser would roughly count: four characters each. */
export function countTokens(text: string): number {
  return Math.ceil(text.length / 4);
}
