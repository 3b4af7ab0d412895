import type { JournalIndexRow } from '../storage/ports/journal.ts';

/** Rows in order, as many to a page as hold `mostBytes` together; at least one. */
export function* journalPages(
  rows: readonly JournalIndexRow[],
  mostBytes: number,
): Generator<JournalIndexRow[]> {
  let page: JournalIndexRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (page.length > 0 && bytes + row.length > mostBytes) {
      yield page;
      page = [];
      bytes = 0;
    }
    page.push(row);
    bytes += row.length;
  }
  if (page.length > 0) yield page;
}
