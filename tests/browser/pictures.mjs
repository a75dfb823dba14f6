// The pictures of docs/page: `node pictures.mjs <address of a quickstart that has run for a while> <folder> [<address of one with peers>]`.

import { drawn, launch, open, until } from "./browser.mjs";

const [address, folder, cluster] = process.argv.slice(2);
const browser = await launch();
for (const scheme of ["light", "dark"]) {
  for (const [name, hash, size, at = address] of [
    ["overview", "#/", [1280, 960]],
    ["metric", "#/metric/quickstart.file.time?outcome=ok", [1280, 860]],
    ["narrow", "#/", [390, 844]],
    ["nodes", "#/", [1280, 960], cluster],
  ]) {
    if (!at) continue;
    const { page, context } = await open(browser, new URL(hash, at).href, { scheme, size });
    await until("a curve", () => drawn(page.locator(name === "metric" ? ".uplot canvas" : ".row canvas").first()));
    await page.waitForTimeout(2500);
    await page.screenshot({ path: `${folder}/${name}-${scheme}.png` });
    await context.close();
  }
}
await browser.close();
