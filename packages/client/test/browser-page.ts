import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { buildPackage } from '../build/build-package.ts';
import { tinyServer } from './tiny-server.ts';

const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome', 'chrome']
  .flatMap((name) => (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, name)))
  .find((path) => existsSync(path));
/** For tests that need a browser. */
export const SKIP =
  CHROMIUM === undefined
    ? { skip: 'There is no Chromium on this machine; `apt-get install chromium` brings it.' }
    : {};

/** Where a page finds the client. */
const IMPORTS = {
  '@bora/client': '/client/client.js',
  '@bora/client/answers': '/client/answers.js',
  '@bora/client/request-builders': '/client/request-builders.js',
};
export const IMPORT_MAP = `<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`;

/**
 * Opens a page in Chromium, on an origin of its own, and answers what it sends to `/report` as JSON. `settings` are what it gets of
 * `/settings`.
 */
export async function reportOfPage<Report>(page: string, settings: object): Promise<Report> {
  await using built = await makeTemporaryFolder();
  buildPackage(join(built.path, 'client'));
  const { promise: reported, resolve } = Promise.withResolvers<Report>();
  await using server = await tinyServer(async (request, response) => {
    const path = request.url ?? '';
    const respond = (type: string, body: string | Buffer): void => {
      response.writeHead(200, { 'content-type': type }).end(body);
    };
    if (path === '/report') {
      const chunks = (await request.toArray()) as Buffer[];
      respond('text/plain', '');
      resolve(JSON.parse(Buffer.concat(chunks).toString()) as Report);
    } else if (path === '/settings') respond('application/json', JSON.stringify(settings));
    else if (/^\/client\/[a-z-]+\.js$/.test(path))
      respond('text/javascript', readFileSync(join(built.path, path)));
    else respond('text/html', `<!doctype html><meta charset="utf-8">${page}`);
  });
  await using profile = await makeTemporaryFolder();
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-proxy-server', '--no-first-run'];
  const browser = spawn(CHROMIUM!, [...flags, `--user-data-dir=${profile.path}`, server.url], {
    stdio: 'ignore',
  });
  const ended = once(browser, 'exit');
  try {
    return await Promise.race([
      reported,
      ended.then(() => assert.fail('the browser ended before it reported')),
    ]);
  } finally {
    browser.kill();
    await ended;
  }
}
