/** `1204000` → `1,204,000`. */
export function countText(count: number): string {
  return count.toLocaleString('en-US');
}

/** One item, several items. */
export function countedText(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Milliseconds as the two largest units: `850 ms`, `12 s`, `3 min 20 s`, `5 h 2 min`, `2 d 3 h`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, 'min', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return pair(hours, 'h', minutes % 60, 'min');
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/** Requests per second: `0.4/s`, `12.5/s`, `1,240/s`. */
export function rateText(perSecond: number): string {
  return `${perSecond < 100 ? perSecond.toFixed(1) : countText(Math.round(perSecond))}/s`;
}

/** `512 B`, `1.5 KiB`, `12 MiB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** power;
  return `${amount < 10 ? amount.toFixed(1) : countText(Math.round(amount))} ${'KMGT'[power - 1]}iB`;
}

/** Milliseconds from now, the past below zero: `just now`, `3 min ago`, `in 2 h`. */
export function distanceText(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  if (seconds < 5) return 'just now';
  const [unit, length] = DISTANCES.find(([, least]) => seconds >= least) ?? ['s', 1];
  const text = `${Math.floor(seconds / length)} ${unit}`;
  return ms < 0 ? `${text} ago` : `in ${text}`;
}

const DISTANCES = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const;

/** Unix seconds as `2026-05-01T10:00:00Z`; empty for null. */
export function momentText(unixSeconds: number | null): string {
  if (unixSeconds === null) return '';
  return `${new Date(unixSeconds * 1000).toISOString().slice(0, 19)}Z`;
}

/** Text of at most `width` columns, its end replaced by … if it is longer. */
export function clipped(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
