// What the page's modules do without a browser: numbers, addresses, the search, and curves. `node --test tests/browser/units.test.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";

const from = (name) => import(new URL(`../../backends/pull-cache/page/${name}`, import.meta.url));
const { clock, joined, number, quantity, rate, span } = await from("format.js");
const { format, parse, seconds, DEFAULTS } = await from("route.js");
const { parse: filter, toggled, grouped } = await from("filter.js");
const { Store, coarse, step, summary } = await from("data.js");

const flat = (pair) => joined(pair).replaceAll("\u202f", " ");

test("numbers have three or four figures and a unit that fits", () => {
  for (const [x, unit, wanted] of [
    [0, "", "0"], [12, "", "12"], [1234, "", "1234"], [12345, "", "12 345"], [999999, "", "999 999"], [1234567, "", "1.235 M"],
    [-5.25, "", "−5.25"], [0.1 + 0.2, "", "0.3"], [0.00001234, "", "1.2e−5"], [1e21, "", "1.00e21"], [NaN, "", "–"], [null, "ms", "–"],
    [0, "ms", "0 ms"], [0.000512, "ms", "512 ns"], [0.0125, "ms", "12.5 µs"], [12.34, "ms", "12.3 ms"], [999.9, "ms", "1 s"], [1234, "ms", "1.23 s"], [150000, "ms", "2.5 min"], [7200000, "ms", "2 h"],
    [1.5, "seconds", "1.5 s"], [0, "bytes", "0 B"], [999, "bytes", "999 B"], [1500, "bytes", "1.5 kB"], [2.5e9, "bytes", "2.5 GB"], [0.25, "ratio", "25 %"], [3, "items", "3 items"], [2e6, "items", "2 M items"],
  ]) assert.equal(flat(quantity(x, unit)), wanted, `${x} ${unit}`);
  for (const [x, unit, wanted] of [[0, "", "0 /s"], [1234.5678, "", "1230 /s"], [500000, "", "500 k/s"], [2.5e6, "", "2.5 M/s"], [1.5e6, "bytes", "1.5 MB/s"], [12, "ms", "12 /s"], [null, "", "–"]]) assert.equal(flat(rate(x, unit)), wanted);
  assert.equal(flat(number(1e6)), "1 M");
  assert.equal(span(30).replace("\u202f", " "), "30 s");
  assert.equal(span(1800).replace("\u202f", " "), "30 min");
  assert.match(clock(0), /^\d\d:\d\d:\d\d$/);
});

test("an address says all that is chosen, whatever names and labels are", () => {
  for (const state of [
    { ...DEFAULTS, metric: null, labels: [] },
    { ...DEFAULTS, metric: null, labels: [], q: "a=b c", range: "5m", by: "label:x y", as: "total" },
    { ...DEFAULTS, metric: "a.b/c?d#e%", labels: [["k", "v&w=x #?%é"], ["k2", ""]], show: "p99" },
  ]) assert.deepEqual(parse(format(state)), state);
  assert.deepEqual(parse("#/metric/%zz?a=%zz").labels, [["a", "%zz"]]);
  assert.equal(parse("#/metric/a?.unknown=1").labels.length, 0);
  assert.equal(parse("").metric, null);
  assert.equal(format({ ...DEFAULTS, metric: "a.b", labels: [["x", "y"]] }), "#/metric/a.b?x=y");
  assert.deepEqual([seconds("5m"), seconds("all"), seconds("-1m")], [300, Infinity, Infinity]);
});

const series = (name, kind, labels = [], unit = "") => ({ name, kind, labels, unit, logger: name.split(".")[0], key: name + labels, haystack: `${name} ${labels.map((l) => l.join("="))}`.toLowerCase() });

test("all words must occur, and labels, kinds and units are found", () => {
  const [a, b] = [series("shop.time", "timer", [["route", "/a b"]], "ms"), series("shop.sold", "counter", [["till", "3"]])];
  const found = (q) => [a, b].filter(filter(q)).map(({ name }) => name);
  for (const [q, wanted] of [["", 2], ["SHOP", 2], ["shop time", 1], ["-time", 1], ["kind:timer", 1], ["unit:ms", 1], ["till=3", 1], ["till=", 1], ["till=4", 0], ['"route=/a b"', 1], ["-till=3 -time", 0], ['"', 2], ["-", 0], ["kind:", 0], ["(", 0]]) assert.equal(found(q).length, wanted, q);
  assert.equal(toggled("x", "till", "3"), "x till=3");
  assert.equal(toggled("x till=3 y", "till", "3"), "x y");
  assert.deepEqual([a, b].filter(filter(toggled("", "route", "/a b"))), [a]);
  assert.deepEqual(grouped([series("ferrometer.x", "gauge"), b, a], "logger").map(({ name, list }) => [name, list.length]), [["shop", 2], ["ferrometer", 1]]);
  assert.deepEqual(grouped([a, b], "label:till").map(({ name }) => name), ["till = 3", "no till"]);
});

const catalog = { interval: 1, generations: 100, window: 1800, left_out: 0, instruments: [{ name: "a.time", logger: "a", kind: "timer", unit: "ms" }, { name: "a.n", logger: "a", kind: "counter" }, { name: "a.time.max", logger: "a", kind: "gauge" }] };
const at = (timestamp, metric, value, labels) => ({ id: "host", metric, timestamp, type: "derive", value, ...(labels && { labels }) });

test("records become series: parts of a timer are one, and a gauge with such a name is its own", () => {
  const store = new Store();
  store.setCatalog("", catalog);
  const records = ["count", "sum", "p50", "p95", "p99"].map((part) => at(10, `a.time.${part}`, 1)).concat([at(10, "a.time.max", 7), at(10, "a.n", 5, { x: "1" }), at(10, "a.n", 5, { x: "2" })]);
  assert.ok(store.knows("", records));
  store.add("", records);
  assert.deepEqual([...store.series.values()].map(({ name, kind }) => `${name} ${kind}`), ["a.time timer", "a.time.max gauge", "a.n counter", "a.n counter"]);
  assert.ok(!store.knows("", [at(10, "a.new", 1)]));
  store.add("", [at(10, "a.new", 1)]);
  assert.equal([...store.series.values()].at(-1).kind, "counter");
});

test("rates are changes; a program that began anew makes a gap, and so does what is missing", () => {
  const store = new Store();
  store.setCatalog("", catalog);
  for (const [t, n, calls] of [[10, 5, 2], [11, 8, 3], [12, 1, 0], [13, 2, 4], [30, 19, 5]]) store.add("", [at(t, "a.n", n), at(t, "a.time.count", calls), at(t, "a.time.sum", calls * 10)]);
  store.setWindow("", { from: 10, to: 30 });
  const [counter, timer] = ["a.n", "a.time"].map((name) => [...store.series.values()].find((s) => s.name === name));
  assert.deepEqual(store.curve(counter, "rate", 0), { t: [11, 12, 13, 14.75, 30], v: [3, null, 1, null, 1] });
  assert.deepEqual(store.curve(counter, "value", 13).v, [2, null, 19]);
  assert.deepEqual(store.curve(timer, "mean", 0).v, [10, 10, null, 10]);
  assert.equal(store.last(counter, "rate"), 1);
  store.setWindow("", { from: 10, to: 31 });
  assert.equal(store.last(counter, "rate"), null);
  assert.deepEqual(summary({ v: [1, null, 3] }), { least: 1, most: 3, mean: 2 });
  assert.equal(summary({ v: [null] }), null);
});

test("history goes before what is there, once", () => {
  const store = new Store();
  store.setCatalog("", catalog);
  store.add("", [at(12, "a.n", 3)]);
  store.addHistory("", [at(10, "a.n", 1), at(11, "a.n", 2), at(12, "a.n", 3)]);
  store.addHistory("", [at(10, "a.n", 1), at(11, "a.n", 2)]);
  store.add("", [at(12, "a.n", 4), at(13, "a.n", 5)]);
  const [{ parts }] = store.series.values();
  assert.deepEqual([parts.value.t, parts.value.v], [[10, 11, 12, 13], [1, 2, 4, 5]]);
});

test("two nodes keep apart what is called alike", () => {
  const store = new Store();
  for (const node of ["one", "two"]) {
    store.setCatalog(node, catalog);
    store.add(node, [at(10, "a.n", node.length)]);
    store.setWindow(node, { from: 1, to: 10 });
  }
  assert.deepEqual([...store.series.values()].map(({ node }) => node), ["one", "two"]);
  assert.equal(store.to, 10);
});

test("a coarser curve has means, keeps gaps, and its borders stand still", () => {
  const fine = { t: [0, 1, 2, 3, 4, 5, 6, 7, 8], v: [1, 3, 5, 7, null, null, 2, 4, 6] };
  assert.deepEqual(coarse(fine, 2), { t: [1, 3, 5, 7, 8], v: [2, 6, null, 3, 6], least: [1, 5, null, 2, 6], most: [3, 7, null, 4, 6] });
  assert.deepEqual(coarse(fine, 4, "most").v, [7, 4, 6]);
  const later = { t: fine.t.slice(2).concat(9), v: fine.v.slice(2).concat(8) };
  assert.deepEqual(coarse(later, 2).v.slice(0, 3), coarse(fine, 2).v.slice(1, 4));
  assert.deepEqual([step(1800, 80), step(60, 80), step(1e9, 10)], [30, 1, 1e8]);
});
