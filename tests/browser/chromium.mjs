// Unpacks the Chromium of the npm package below this folder, with the libraries and fonts that it needs, and prints how
// it is started.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, 'chromium');
mkdirSync(folder, { recursive: true });
// The package unpacks into the folder for temporary files, and its libraries (nss and the like) only on Lambda.
process.env.TMPDIR = folder;
process.env.AWS_EXECUTION_ENV = 'AWS_Lambda_nodejs20.x';
delete process.env.FONTCONFIG_PATH;
delete process.env.LD_LIBRARY_PATH;

const { default: chromium } = await import('@sparticuz/chromium');
const program = await chromium.executablePath();
const { LD_LIBRARY_PATH } = process.env;

// The package's own configuration looks for fonts where Lambda has them.
const fonts = join(folder, 'fonts.conf');
const folders = [join(folder, 'fonts'), '/usr/share/fonts'].map((one) => `<dir>${one}</dir>`).join('');
writeFileSync(fonts, `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>${folders}<cachedir>${join(folder, 'cache')}</cachedir></fontconfig>`);

const missing = execFileSync('ldd', [program], { encoding: 'utf8' }).match(/\S+(?= => not found)/g) ?? [];
if (missing.length > 0) throw new Error(`system libraries are missing: ${missing.join(', ')}`);
console.log(JSON.stringify({ program, environment: { FONTCONFIG_FILE: fonts, LD_LIBRARY_PATH } }));
