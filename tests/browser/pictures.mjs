// Draws golden files of the pages and of the mail that asks, `node pictures.mjs FUNCTIONS FOLDER`, light and dark, for the
// documents.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [functions, folder] = process.argv.slice(2);
const read = (path) => readFileSync(join(functions, path), 'utf8');
const style = read('shared/pages/src/style.css');
const themes = ['light', 'dark'];

const mail = read('request-approval/tests/mails/asked.txt');
const palettes = [...style.matchAll(/:root \{(.*?)\}/gs)].map(([, block]) =>
  Object.fromEntries([...block.matchAll(/--([\w-]+): (#\w+)/g)].map(([, name, colour]) => [name, colour])));
themes.forEach((theme, at) => writeFileSync(join(folder, `mail-${theme}.svg`), drawn(mail, palettes[at])));

const unpacked = execFileSync(process.execPath, ['chromium.mjs'], { cwd: import.meta.dirname, encoding: 'utf8' });
const { program, environment } = JSON.parse(unpacked);
const browser = await chromium.launch({ executablePath: program, env: { ...process.env, ...environment } });
for (const [page, name, height] of [['asking', 'approval', 900], ['release-deploys', 'release', 640]]) {
  const html = read(`decide-approval/tests/pages/${page}.html`);
  for (const colorScheme of themes) {
    const tab = await browser.newPage({ colorScheme, viewport: { width: 1280, height } });
    await tab.setContent(html.replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${style}</style>`));
    await tab.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
    await tab.close();
  }
}
await browser.close();

// A mail as clients show plain text: its headers, then its lines, broken where they are too long, with addresses as links.
function drawn(mail, { ink, paper, soft, line, quiet, link }) {
  const [headers, ...paragraphs] = mail.split('\n\n');
  // SNS is the sender, under this name where a topic has no other.
  const fields = ['From: AWS Notifications <no-reply@sns.amazonaws.com>', ...headers.split('\n')].map((field, at) => {
    const [, name, value] = field.match(/^(\w+): (.*)$/);
    const y = 34 + at * 26;
    const weight = name === 'Subject' ? ' font-weight="600"' : '';
    return `<text x="20" y="${y}" fill="${quiet}" font-size="14">${name}</text>\n<text x="92" y="${y}"${weight}>${escaped(value)}</text>`;
  });
  const top = 26 * fields.length + 26;
  const lines = shortened(paragraphs.join('\n\n').trimEnd().split('\n')).flatMap(broken).map(({ text, address }, at) => {
    const linked = address && `<tspan fill="${link}" text-decoration="underline">${escaped(address)}</tspan>`;
    return `<text x="20" y="${top + 32 + at * 20}">${escaped(text)}${linked}</text>`;
  });
  const height = top + 32 + lines.length * 20;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="800" height="${height}" viewBox="0 0 800 ${height}">
<clipPath id="window"><rect width="800" height="${height}" rx="8"/></clipPath>
<g clip-path="url(#window)"><rect width="800" height="${height}" fill="${paper}"/><rect width="800" height="${top}" fill="${soft}"/></g>
<path d="M0 ${top - 0.5}h800" stroke="${line}"/><rect x="0.5" y="0.5" width="799" height="${height - 1}" rx="7.5" fill="none" stroke="${line}"/>
<g fill="${ink}" font-family="system-ui, -apple-system, Segoe UI, Noto Sans, Open Sans, Helvetica, Arial, sans-serif" font-size="16">
${fields.join('\n')}
</g>
<g fill="${ink}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">
${lines.join('\n')}
</g>
</svg>
`;
}

// Of neighbouring lines that differ only in their numbers, the first.
function shortened(lines) {
  const same = (one, other) => one?.replace(/\d+/g, '0') === other?.replace(/\d+/g, '0');
  return lines.flatMap((line, at) => {
    if (!same(line, lines[at - 1])) return [line];
    return same(line, lines[at - 2]) ? [] : [`${line.match(/^ */)}⋮`];
  });
}

// The lines of at most 84 columns that a line is broken into, each with its part of the address at the line's end.
function broken(line) {
  const address = line.match(/https?:\/\/\S+$/)?.index ?? line.length;
  const parts = [...line.matchAll(/.{0,83}\S(?= |$)|.{1,84}/g)].map(({ 0: part, index }) => {
    const begins = Math.max(address - index, 0);
    return { text: index > 0 ? part.slice(0, begins).trimStart() : part.slice(0, begins), address: part.slice(begins) };
  });
  return parts.length > 0 ? parts : [{ text: '', address: '' }];
}

// SVG shows several spaces as one, unless they do not break.
function escaped(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/ /g, '\u00a0');
}
