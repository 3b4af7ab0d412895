import { fileKeyOf, OPTIONS } from './options.ts';
import type { OptionDefinition, OptionName } from './options.ts';

/** The reference page of all options, in Markdown, generated from the table so that it cannot be wrong. */
export function optionsReference(): string {
  const rows = (Object.keys(OPTIONS) as OptionName[]).map((name) => {
    const option: OptionDefinition = OPTIONS[name];
    const key = name === 'config' ? '' : `\`${fileKeyOf(name)}\``;
    return `| \`${option.env}\` | \`${option.flag}\` | ${key} | ${defaultText(option)} | ${option.description} |`;
  });
  return [
    '| environment | flag | in `bora.yaml` | default | meaning |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

/** The default as people read it: `16 MiB`, `30 seconds`, `none`. */
export function defaultText(option: OptionDefinition): string {
  if (option.default === null) return 'none';
  if (typeof option.default === 'string') return `\`${option.default}\``;
  if (option.unit === 'bytes' && option.default % 2 ** 30 === 0) return `${option.default / 2 ** 30} GiB`;
  if (option.unit === 'bytes' && option.default % 2 ** 20 === 0) return `${option.default / 2 ** 20} MiB`;
  return `${option.default} ${option.unit ?? ''}`.trim();
}
