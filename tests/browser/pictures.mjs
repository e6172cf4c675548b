// Draws golden files of the pages, `node pictures.mjs FUNCTION FOLDER`, light and dark, for the documents.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [source, folder] = process.argv.slice(2);
const unpacked = execFileSync(process.execPath, ['chromium.mjs'], { cwd: import.meta.dirname, encoding: 'utf8' });
const { program, environment } = JSON.parse(unpacked);
const browser = await chromium.launch({ executablePath: program, env: { ...process.env, ...environment } });
const style = readFileSync(join(source, 'src/style.css'), 'utf8');
for (const [page, name, height] of [['asking', 'approval', 900], ['release-deploys', 'release', 640]]) {
  const html = readFileSync(join(source, `tests/pages/${page}.html`), 'utf8');
  for (const colorScheme of ['light', 'dark']) {
    const tab = await browser.newPage({ colorScheme, viewport: { width: 1280, height } });
    await tab.setContent(html.replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${style}</style>`));
    await tab.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
    await tab.close();
  }
}
await browser.close();
