import { resolve } from 'node:path';
import { buildPackage } from './build-package.ts';

const folder = resolve(import.meta.dirname, '../dist');
buildPackage(folder);
console.log(`Built ${folder}. Publish that folder, never its parent.`);
