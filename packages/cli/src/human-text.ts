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

/** Text of at most `width` columns, its end replaced by … if it is longer. */
export function clipped(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
