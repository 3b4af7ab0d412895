import { clipped } from './human-text.ts';

export interface Column {
  readonly title: string;
  /** Default `left`. */
  readonly align?: 'left' | 'right';
  /** Longer cells are clipped; default: none. */
  readonly maxWidth?: number;
}

/** A plain text table: titles, a rule, rows; two spaces between columns. Line breaks in cells become spaces. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) =>
    columns.map((column, index) => clipped(onOneLine(row[index] ?? ''), column.maxWidth ?? Infinity)),
  );
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((row) => row[index].length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) =>
        columns[index].align === 'right' ? cell.padStart(widths[index]) : cell.padEnd(widths[index]),
      )
      .join('  ')
      .trimEnd();
  return [
    line(columns.map((column) => column.title)),
    line(widths.map((width) => '─'.repeat(width))),
    ...cells.map(line),
  ].join('\n');
}

/** One thing in full: a name and its value a line, the values below each other. What has no value is left out. */
export function renderFields(fields: readonly (readonly [name: string, value: string])[]): string {
  const told = fields.filter(([, value]) => value !== '');
  const width = Math.max(...told.map(([name]) => name.length)) + 2;
  return told.map(([name, value]) => `${name.padEnd(width)}${onOneLine(value)}`).join('\n');
}

function onOneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
