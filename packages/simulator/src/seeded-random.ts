/** Numbers from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number;

/**
 * The same four seeds give the same numbers on every machine, for ever: what the simulator answers rests on it. The generator
 * is sfc32, of 128 bits of state; twelve steps mix the seeds before the first number is used.
 */
export function seededRandom(first: number, second: number, third: number, fourth: number): Random {
  let a = first | 0;
  let b = second | 0;
  let c = third | 0;
  let d = fourth | 0;
  const next = (): number => {
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let step = 0; step < 12; step++) next();
  return next;
}

/** 32 bits of a text, for use as a seed. */
export function seedOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}
