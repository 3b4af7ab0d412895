import { readFile, writeFile } from 'node:fs/promises';
import { cliPage } from './cli-page.ts';

const page = new URL('../../../docs/cli.md', import.meta.url);
await writeFile(page, cliPage(await readFile(page, 'utf8')));
