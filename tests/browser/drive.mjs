// A person at a browser: reads a visit from the standard input, makes it, and prints what was seen.
//
// {program, url, javascript, width, pictures, steps: [{do, …}, …]}, where a step is one of
//   look   {name}        words, what assistive tools get, what axe finds (with scripts), a picture in every view
//   tab    {to}          presses Tab until the field of that name, or the button of that value, has the focus
//   type   {text}        types into what has the focus
//   press  {key}         presses a key, and waits for the page that comes
//   fill   {field, text} fills in the field of that name
//   click  {button}      presses the button of that value, and waits for the page that comes
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [360, 1280, 2560];
const SCHEMES = ['light', 'dark'];
const MOST_TABS = 20;

const visit = JSON.parse(readFileSync(0, 'utf8'));
const browser = await chromium.launch({
  executablePath: visit.program,
  // Chromium's sandbox works for users other than root only.
  args: process.getuid() === 0 ? ['--no-sandbox', '--no-zygote'] : [],
});
try {
  console.log(JSON.stringify(await make(visit)));
} finally {
  await browser.close();
}

async function make({ url, javascript, width, pictures, steps }) {
  const viewport = { width, height: 800 };
  const context = await browser.newContext({ javaScriptEnabled: javascript, viewport, hasTouch: width < 600 });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const seen = { looks: [], focused: [], requests: [], complaints: [] };
  page.on('request', (request) => seen.requests.push({ method: request.method(), url: request.url(), kind: request.resourceType() }));
  page.on('console', (message) => seen.complaints.push(message.text()));

  let answer = await page.goto(url);
  const next = async (act) => {
    [answer] = await Promise.all([page.waitForResponse((response) => response.request().isNavigationRequest() && (response.status() < 300 || response.status() >= 400)), act()]);
    await page.waitForLoadState();
  };
  const doing = {
    look: async ({ name }) => seen.looks.push(await look(page, answer.status(), { viewport, javascript, name, pictures })),
    tab: async ({ to }) => seen.focused.push(...(await tab(page, to))),
    type: ({ text }) => page.keyboard.type(text),
    press: ({ key }) => next(() => page.keyboard.press(key)),
    fill: ({ field, text }) => page.locator(`[name="${field}"]`).fill(text),
    click: ({ button }) => next(() => page.locator(`button[value="${button}"]`).click()),
  };
  for (const step of steps) await doing[step.do](step);
  return seen;
}

async function look(page, status, { viewport, javascript, name, pictures }) {
  const views = [];
  for (const width of WIDTHS) {
    for (const scheme of SCHEMES) {
      await page.setViewportSize({ width, height: 800 });
      await page.emulateMedia({ colorScheme: scheme });
      const picture = join(pictures, `${name}-${width}-${scheme}.png`);
      await page.screenshot({ path: picture, fullPage: true });
      // axe waits for timers, which do not run where scripts do not.
      const found = javascript ? await violations(page) : [];
      views.push({ width, scheme, picture, violations: found, ...(await page.evaluate(measure)) });
    }
  }
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme: null });
  const tree = await page.locator('body').ariaSnapshot();
  return { status, title: await page.title(), words: await page.locator('main').innerText(), tree, views, scripts: await page.evaluate(scripts) };
}

/** What axe finds, a line each: the rule, the element, the reason. */
async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ['violations', 'incomplete'] }));
  const line = (rule, node) => `${rule.id} ${node.target.join(' ')}: ${node.failureSummary ?? rule.help}`;
  return [...found.violations, ...found.incomplete].flatMap((rule) => rule.nodes.map((node) => line(rule, node)));
}

/** Runs in the page: how far it is wider than its window, and how high its lowest control is. */
function measure() {
  const root = document.documentElement;
  const heights = [...document.querySelectorAll('button, textarea, input:not([type=hidden])')].map((one) => one.getBoundingClientRect().height);
  return { overflow: root.scrollWidth - root.clientWidth, lowest_control: heights.length > 0 ? Math.min(...heights) : null };
}

/** Runs in the page: whatever could run a script. */
function scripts() {
  const handlers = [...document.querySelectorAll('*')].flatMap((one) => [...one.attributes].filter(({ name, value }) => name.startsWith('on') || value.startsWith('javascript:')));
  return document.scripts.length + handlers.length;
}

async function tab(page, to) {
  const passed = [];
  for (let pressed = 0; pressed < MOST_TABS; pressed += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(focus);
    passed.push(focused);
    if (focused.control === to) return passed;
  }
  throw new Error(`Tab does not come to ${to}: ${JSON.stringify(passed)}`);
}

/** Runs in the page: what has the focus, and how wide the ring around it is. */
function focus() {
  const one = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const control = one.tagName === 'BUTTON' ? one.value : (one.getAttribute('name') ?? one.tagName.toLowerCase());
  return { control, ring: outlineStyle === 'none' ? 0 : Number.parseFloat(outlineWidth) };
}
