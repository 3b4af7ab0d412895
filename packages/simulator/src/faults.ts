import type { Random } from './seeded-random.ts';
import type { SimulatorSettings } from './settings.ts';

/** What goes wrong with one request: refused at once, or after the work was done. */
export type Fault =
  | { readonly kind: 'refuse'; readonly status: 429 | 503 }
  | { readonly kind: 'fail' | 'reset-before' | 'reset-during' | 'hang' | 'crash' }
  /** Instead of the answer: a page of HTML, nothing at all, or a half that looks whole. */
  | { readonly kind: 'garbage' | 'empty' | 'cut' }
  /** Its first half, and then nothing more; or in pieces, spread over `slowBodyMs`. */
  | { readonly kind: 'stall' | 'slow' };

/** One draw decides, so that raising one rate leaves the choices that come before it in this order as they were. */
export function drawFault(settings: SimulatorSettings, random: Random): Fault | null {
  const rates: readonly (readonly [number, Fault])[] = [
    [settings.rate429, { kind: 'refuse', status: 429 }],
    [settings.rate503, { kind: 'refuse', status: 503 }],
    [settings.rate500, { kind: 'fail' }],
    [settings.rateResetBefore, { kind: 'reset-before' }],
    [settings.rateResetDuring, { kind: 'reset-during' }],
    [settings.rateHang, { kind: 'hang' }],
    [settings.rateGarbage, { kind: 'garbage' }],
    [settings.rateEmpty, { kind: 'empty' }],
    [settings.rateCut, { kind: 'cut' }],
    [settings.rateStall, { kind: 'stall' }],
    [settings.rateSlow, { kind: 'slow' }],
  ];
  let left = random();
  for (const [rate, fault] of rates) {
    if (left < rate) return fault;
    left -= rate;
  }
  return null;
}
