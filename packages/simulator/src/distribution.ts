import { z } from 'zod';
import type { Random } from './seeded-random.ts';

/** One value for all, any value of a range alike, or lognormal given its median and its 99th percentile. */
export type Distribution =
  | number
  | { readonly min: number; readonly max: number }
  | { readonly p50: number; readonly p99: number };

/** Of the standard normal distribution. */
const Z_99 = 2.326_347_874;

export function distributionSchema(min: number, max: number): z.ZodType<Distribution> {
  const value = z.number().min(min).max(max);
  return z.union(
    [
      value,
      z
        .strictObject({ min: value, max: value })
        .refine((range) => range.min <= range.max, 'min must not be above max'),
      z
        .strictObject({ p50: value.positive(), p99: value.positive() })
        .refine((spread) => spread.p50 <= spread.p99, 'p50 must not be above p99'),
    ],
    {
      error: `must be a number, {min, max} or {p50, p99}, of values from ${min} to ${max} in rising order`,
    },
  );
}

/** Reads `50`, `20..80` or `p50=50,p99=400`. What cannot be read comes back as it is, for the schema to refuse. */
export function distributionOfText(text: string): unknown {
  const range = /^([\d.]+)\.\.([\d.]+)$/.exec(text);
  if (range !== null) return { min: Number(range[1]), max: Number(range[2]) };
  const lognormal = /^p50=([\d.]+),p99=([\d.]+)$/.exec(text);
  if (lognormal !== null) return { p50: Number(lognormal[1]), p99: Number(lognormal[2]) };
  return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
}

export function distributionText(distribution: Distribution): string {
  if (typeof distribution === 'number') return String(distribution);
  if ('min' in distribution) return `${distribution.min}..${distribution.max}`;
  return `p50=${distribution.p50},p99=${distribution.p99}`;
}

export function sample(distribution: Distribution, random: Random): number {
  if (typeof distribution === 'number') return distribution;
  if ('min' in distribution) return distribution.min + random() * (distribution.max - distribution.min);
  const spread = Math.log(distribution.p99 / distribution.p50) / Z_99;
  return distribution.p50 * Math.exp(spread * standardNormal(random));
}

/** Box and Muller's method; 1 − u keeps the logarithm away from 0. */
function standardNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
