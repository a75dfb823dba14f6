// The page of an archive in a browser: `node archive.mjs <scenario> <address>`. services/gnocchi/tests/interop_page.rs starts the
// archive and fills it.

import { accessible, check, drawn, launch, open, same, until } from "./browser.mjs";

const [scenario, address] = process.argv.slice(2);
const browser = await launch();
const names = (page) => page.$$eval("#archive-list tbody th", (cells) => cells.map((cell) => cell.textContent));
const text = (page, selector) => page.textContent(selector);
const asked = (requests) => requests.filter((url) => url.includes("/measures?")).map((url) => new URL(url).searchParams);
const points = (asked) => (Number(asked.get("stop")) - Number(asked.get("start"))) / Number(asked.get("resample") ?? asked.get("granularity"));

const SCENARIOS = {
  async archive() {
    const { page, faults, requests } = await open(browser, address);
    await until("a page of metrics", async () => (await names(page)).length === 50);
    same(await text(page, "#count"), "50 and more metrics", "the count");
    await page.click(".more-rows");
    await until("the next page", async () => (await names(page)).length === 100);
    await until("the backlog", async () => /nothing waits|measures of/.test(await text(page, "#backlog")));
    await accessible(page, "the list of an archive");

    // The search is done by the archive, and stands in the address.
    await page.keyboard.press("/");
    await page.keyboard.type("temper");
    await until("one metric", async () => JSON.stringify(await names(page)) === '["room.temperature"]');
    check(page.url().includes("q=temper"), page.url());
    const [id] = await page.$$eval("#archive-list tbody th a", (links) => links.map((link) => link.hash.split("/").pop()));
    await page.fill("#search", id);
    await until("a metric by its id", async () => JSON.stringify(await names(page)) === '["room.temperature"]');
    await page.fill("#search", "no such name");
    await until("nothing", async () => (await text(page, "#archive-list")).includes("Nothing is called so."));
    await page.fill("#search", "temper");
    await until("one metric", async () => (await names(page)).length === 1);

    // Years, and seconds: only what is shown is asked for.
    await page.click("#archive-list tbody th a");
    await page.waitForSelector("#detail canvas");
    const curve = await until("a curve", () => drawn(page.locator("#detail canvas").first()));
    const facts = await text(page, "#detail .stats");
    check(/measures\D*\d/.test(facts) && facts.includes("too late3"), facts);
    for (const [range, granularity] of [["1h", 3], ["1d", 300], ["1y", 86400], ["5y", 172800]]) {
      const before = requests.length;
      await page.click(`#detail .segments button[value="${range}"]`);
      const found = await until(`${range} is asked for`, () => asked(requests.slice(before)).length >= 3 && asked(requests.slice(before)));
      await until(`${range} is shown`, async () => (await page.getAttribute(`#detail .segments button[value="${range}"]`, "aria-pressed")) === "true" && /^\d+ points/.test(await text(page, "#detail .note")));
      const step = Number(found[0].get("resample") ?? found[0].get("granularity"));
      check(step <= granularity, `${range} is asked for every ${step} s`);
      for (const one of found) check(points(one) <= 1205, `${range} asks for ${points(one)} points`);
      same([...new Set(found.map((one) => one.get("aggregation")))].sort(), ["max", "mean", "min"], "a line and its band");
    }
    check((await drawn(page.locator("#detail canvas").first())) !== curve, "years look like a day");

    // A part that is marked is loaded more finely, and a link shows the same.
    const box = await page.locator("#detail .plot .u-over").boundingBox();
    const before = requests.length;
    await page.mouse.move(box.x + box.width - 60, box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 5, box.y + 60, { steps: 5 });
    await page.mouse.up();
    await until("the part is in the address", () => /from=\d+&to=\d+/.test(page.url()));
    const [part] = await until("the part is asked for", () => asked(requests.slice(before)).length >= 3 && asked(requests.slice(before)));
    const wide = asked(requests.slice(0, before)).at(-1);
    check(Number(part.get("stop")) - Number(part.get("start")) < (Number(wide.get("stop")) - Number(wide.get("start"))) / 4, "a quarter at most");
    check(Number(part.get("granularity")) <= Number(wide.get("granularity")), "as fine as before, or finer");
    await accessible(page, "a metric of an archive");
    const shared = await open(browser, page.url(), { scheme: "dark" });
    await until("the same part", () => asked(shared.requests).some((one) => one.get("start") === part.get("start") && one.get("stop") === part.get("stop")));
    await until("a curve in the dark", () => drawn(shared.page.locator("#detail canvas").first()));
    await accessible(shared.page, "a metric of an archive, dark");
    same(shared.faults, [], "faults of the shared link");

    // Another aggregation, and the values read by keys.
    await page.selectOption("#detail select", "count");
    await until("counts", () => page.url().includes("method=count"));
    await page.focus("#detail .plot");
    await page.keyboard.press("ArrowLeft");
    await until("a value in words", async () => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*count/.test(await text(page, "#detail figcaption")));

    // Policies with their cost; resources with their metrics.
    await page.click("#kinds button[value=policy]");
    await until("policies", async () => (await names(page)).includes("years"));
    const row = await page.locator("#archive-list tr", { hasText: "years" }).first().textContent();
    check(/1.s for 1.h/.test(row) && /kB|MB/.test(row), row);
    await accessible(page, "the policies");
    await page.fill("#search", "");
    await page.click("#kinds button[value=resource]");
    await until("resources", async () => (await names(page)).includes("house 7"));
    await page.fill("#search", "house 7");
    await until("one resource", async () => JSON.stringify(await names(page)) === '["house 7"]');
    await page.click("#archive-list tbody th a");
    await until("its metrics", async () => (await names(page)).includes("room.temperature"));
    await accessible(page, "a resource");
    await page.goBack();
    await until("the list again", async () => JSON.stringify(await names(page)) === '["house 7"]');
    same(faults, [], "faults");

    // A server of the archive is away: what waits is not known, and no old number stays.
    const away = await open(browser, address, { expected: ["503"] });
    await until("the backlog", async () => (await text(away.page, "#backlog")).includes("nothing waits"));
    const answer = { status: 503, contentType: "application/json", body: JSON.stringify({ description: "the server is away" }) };
    await away.page.route("**/v1/status*", (route) => route.fulfill(answer));
    await until("the reason", async () => (await text(away.page, "#backlog")) === "what waits is not known: the server is away");
    same(away.faults, [], "faults");
  },

  /** A token is asked for, once, and a wrong one is said to be. */
  async archive_token() {
    const { page, faults } = await open(browser, address, { expected: ["401", "403"] });
    await page.waitForSelector("#token[open]");
    await page.fill("#token-field", "wrong-token-wrong-token");
    await page.click("#token button");
    await until("it is said to be wrong", async () => (await text(page, "#token-fault")).includes("not known here"));
    await page.fill("#token-field", process.env.PAGE_TOKEN);
    await page.click("#token button");
    await until("the metrics", async () => (await names(page)).length > 0);
    check((await page.$("#token[open]")) === null, "it is asked for again");
    same(faults, [], "faults");
  },
};

try {
  await SCENARIOS[scenario]();
  console.log(`${scenario}: ok`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
  process.exit();
}
