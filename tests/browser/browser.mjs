// A real Chromium (Debian's), driven by playwright-core. Whatever a page says in the console, every request that leaves the host, and
// every breach of the content security policy is a failure.

import { createRequire } from "node:module";
import { existsSync, readFileSync } from "node:fs";

const folder = process.env.INTEROP_BROWSER;
if (!folder) throw new Error("INTEROP_BROWSER is not set: run scripts/test, which installs playwright-core and axe-core");
const require = createRequire(`${folder}/node_modules/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export async function launch() {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is not there: apt-get install chromium`);
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** A page that is watched. `expected` are the console messages that the test brings about itself. */
export async function open(browser, address, { scheme = "light", size = [1280, 900], expected = [], scale = 1 } = {}) {
  const context = await browser.newContext({ viewport: { width: size[0], height: size[1] }, colorScheme: scheme, deviceScaleFactor: scale, timezoneId: "UTC", locale: "en-GB" });
  context.setDefaultTimeout(SOON * 1000);
  context.setDefaultNavigationTimeout(SOON * 1000);
  const page = await context.newPage();
  const faults = [];
  const requests = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !expected.some((text) => message.text().includes(text))) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error.stack}`));
  page.on("request", (request) => {
    requests.push(request.url());
    if (new URL(request.url()).host !== new URL(address).host) faults.push(`request to ${request.url()}`);
  });
  await page.goto(address);
  return { page, context, faults, requests };
}

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

export function same(got, wanted, message) {
  check(JSON.stringify(got) === JSON.stringify(wanted), `${message}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
}

/** The end of a wait, in seconds: only a hang reaches it, also where other programs have the processor. */
const SOON = 180;

/** Until a condition holds. */
export async function until(what, condition, seconds = SOON) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    check(Date.now() < end, `not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What axe-core finds, as text.. */
export async function accessible(page, where) {
  const session = await page.context().newCDPSession(page);
  // In a world of its own: the page's policy allows no script but its own.
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
  const run = async (expression) => {
    const answer = await session.send("Runtime.evaluate", { expression, contextId: executionContextId, awaitPromise: true, returnByValue: true });
    check(!answer.exceptionDetails, `axe: ${JSON.stringify(answer.exceptionDetails)}`);
    return answer.result.value;
  };
  await run(`${axe};0`);
  const found = await run(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations, passes }) => ({ rules: passes.length + violations.length, violations: violations.map(({ id, help, nodes }) => id + ": " + help + " " + nodes.slice(0, 3).map(({ html }) => html.slice(0, 200)).join(" | ")) }))`);
  check(found.rules > 20, `axe has looked at ${found.rules} rules only`);
  same(found.violations, [], `accessibility of ${where}`);
  console.log(`  axe: ${where}: ${found.rules} rules, no violation`);
}

/** Whether a canvas shows something, and what it shows as a number that changes with it. */
export function drawn(canvas) {
  return canvas.evaluate((element) => {
    const { width, height } = element;
    if (!width || !height) return 0;
    const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(element, 0, 0);
    const pixels = copy.getImageData(0, 0, width, height).data;
    let [sum, ink] = [0, 0];
    for (let i = 3; i < pixels.length; i += 4) {
      if (pixels[i] === 0) continue;
      ink += 1;
      sum = (sum * 31 + i + pixels[i]) % 4294967291;
    }
    return ink > 40 ? sum + 1 : 0;
  });
}
