// Tests of the page's modules without a browser: numbers, addresses, the search, and curves. `node --test tests/browser/units.test.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";

const from = (name) => import(new URL(`../../services/page/assets/${name}`, import.meta.url));
const { clock, joined, number, quantity, rate, span } = await from("format.js");
const { format, parse, seconds, DEFAULTS } = await from("route.js");
const { parse: filter, toggled, grouped, nodeOf, withNode } = await from("filter.js");
const { Source } = await from("client.js");
const range = await from("archive_range.js");
const { next } = await from("archive_api.js");
const { length } = await from("archive_format.js");
const { Store, coarse, step, summary } = await from("data.js");

const flat = (pair) => joined(pair).replaceAll("\u202f", " ");

test("the largest names and labels are counted, with ties by name", async () => {
  const { counted } = await from("cardinality.js");
  const series = (name, ...labels) => ({ name, labels });
  const all = [series("b", ["user", "1"]), series("b", ["user", "2"]), series("a", ["user", "2"]), series("a", ["user", "1"], ["zone", "x"]), series("c")];
  assert.deepEqual(counted(all), {
    names: [{ name: "a", count: 2 }, { name: "b", count: 2 }, { name: "c", count: 1 }],
    labels: [{ name: "user", count: 2, series: 4 }, { name: "zone", count: 1, series: 1 }],
  });
  const many = Array.from({ length: 30 }, (_, at) => series(`n${at}`, ["__proto__", String(at)]));
  const { names, labels } = counted(many);
  assert.equal(names.length, 10);
  assert.deepEqual(labels, [{ name: "__proto__", count: 30, series: 30 }]);
});

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

test("units and kinds that are names of the language's own are texts like others", async () => {
  const { KINDS } = await from("format.js");
  for (const unit of ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"]) {
    assert.equal(flat(quantity(3, unit)), `3 ${unit}`);
    assert.equal(flat(rate(3, unit)), `3 ${unit}/s`);
    assert.equal(KINDS[unit] ?? unit, unit);
  }
});

test("numbers of any size have three figures", () => {
  for (const [x, unit, wanted] of [
    [1e308, "ms", "1.16e300 d"], [-1e308, "ms", "−1.16e300 d"], [1.5e308, "days", "1.50e308 d"], [1e308, "hours", "4.17e306 d"], [1e308, "bytes", "1.00e293 PB"], [1e308, "ratio", "1.00e308 ratio"], [1e300, "ratio", "1.00e302 %"], [1e308, "", "1.00e308"], [5e-324, "ms", "0 ns"],
  ]) assert.equal(flat(quantity(x, unit)), wanted, `${x} ${unit}`);
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

test("no label, whatever is in it, makes one series of two", () => {
  const store = new Store();
  store.setCatalog("", catalog);
  const several = [{ k: "a", l: "b" }, { k: "a\0l\0b" }, { k: "a\\0l\\0b" }, { k: 'a","l","b' }, { "k\0a": "l", b: "" }, { "k\0a\0l": "b" }, JSON.parse('{"__proto__":"x"}'), undefined];
  store.add("", several.map((labels, i) => at(1, "a.n", i, labels)));
  assert.equal(store.named("", "a.n").length, several.length);
  assert.deepEqual(store.named("", "a.n").map((one) => store.total(one)), several.map((_, i) => i));
  // Nor does the name of a node, or an object's id.
  store.add("n", [{ ...at(1, "a\0b", 1), id: "c" }, { ...at(1, "a", 2), id: "b\0c" }]);
  store.add("n\0a", [{ ...at(1, "b", 3), id: "c" }]);
  assert.deepEqual([...store.series.values()].filter(({ node }) => node).map((one) => store.total(one)), [1, 2, 3]);
});

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
  for (const [node, values] of [["one", [9, 3]], ["two", [9, 12]]]) {
    store.setCatalog(node, catalog);
    values.forEach((value, i) => store.add(node, [at(10 + i, "a.time.count", value), at(10 + i, "a.n", 2 * value)]));
    store.setWindow(node, { from: 10, to: 11 });
  }
  const last = (node) => store.last([...store.series.values()].find((s) => s.node === node && s.kind === "timer"), "count");
  assert.deepEqual([...store.series.values()].map(({ node, name }) => `${node} ${name}`), ["one a.time", "one a.n", "two a.time", "two a.n"]);
  assert.equal(store.to, 11);
  // One program has begun anew; the other goes on.
  assert.deepEqual([last("one"), last("two")], [null, 3]);
  // A node that does not answer has no last value; forgotten, it takes nothing with it.
  Object.assign(store.node("two"), { lost: true, state: { name: "two" } });
  assert.equal(last("two"), null);
  store.clear("one", true);
  assert.deepEqual([...store.series.values()].map(({ node }) => node), ["two", "two"]);
  assert.deepEqual([store.named("one", "a.n").length, store.named("two", "a.n").length, [...store.nodes.keys()]], [0, 1, ["two"]]);
});

test("objects keep apart what is called alike, as the label that Prometheus has", () => {
  const store = new Store();
  store.setCatalog("", catalog);
  store.add("", [at(10, "a.n", 1), { ...at(10, "a.n", 2), id: "qemu/1" }, { ...at(10, "a.n", 3, { x: "1" }), id: "qemu/1" }]);
  assert.deepEqual([...store.series.values()].map(({ labels, parts }) => [labels, parts.value.v]), [[[], [1]], [[["object", "qemu/1"]], [2]], [[["object", "qemu/1"], ["x", "1"]], [3]]]);
});

test("a node is a word of the search", () => {
  const of = (node) => ({ ...series("a.n", "counter"), node });
  assert.deepEqual([of("a"), of("b-1"), of("b")].filter(filter("a.n node:b")), [of("b")]);
  assert.deepEqual([of("a"), of("b")].filter(filter("-node:b")), [of("a")]);
  assert.deepEqual([nodeOf("x node:b y"), nodeOf("xnode:b"), nodeOf("-node:b"), nodeOf("node:")], ["b", "", "", ""]);
  assert.deepEqual([withNode("x", "b"), withNode("x node:b y", "c"), withNode("node:b", ""), withNode("", "b")], ["x node:b", "x y node:c", "", "node:b"]);
  assert.deepEqual(grouped([of("b"), of("a")], "node").map(({ name }) => name), ["node a", "node b"]);
});

test("when what an earlier process left has been read, all is asked for anew", async () => {
  const store = new Store();
  store.setCatalog("", catalog);
  const source = new Source({ store, on: { data() {} } });
  store.setWindow("", { from: 100, to: 110 }, 0);
  let times = 0;
  source.again = async () => (times += 1);
  for (const [from, to, wanted] of [[100, 120, 0], [110, 130, 0], [1, 140, 1]]) {
    source.records = async () => ({ data: [at(to, "a.n", 1)], window: { from, to } });
    store.node("").records = 0;
    await source.poll();
    assert.equal(times, wanted, `${from}`);
  }
});

test("of a name with very many label sets those are asked for that are seen, and of others all", () => {
  const store = new Store();
  const source = new Source({ store, on: { data() {} } });
  store.setCatalog("", catalog);
  const wide = Array.from({ length: 1000 }, (_, i) => at(100, "a.n", 1, { k: `${i}`, odd: i % 2 ? "*" : "é" }));
  store.add("", [...wide, at(100, "a.time.count", 1), at(100, "a.time.max", 1)]);
  store.setWindow("", { from: 1, to: 100 }, 1002);
  const all = [...store.series.values()];
  const names = (parameters) => parameters.filter(([key]) => key === "name").length;
  const seen = (...list) => (source.want(list), source.batch());

  let asked = seen(all[2], all[4], all[1000]);
  assert.deepEqual(asked.parameters, [["name", "a.n"], ["label", "k=2"], ["label", "odd=é"], ["label", "k=4"]]);
  assert.deepEqual([asked.count, asked.list.length], [2, 2]);
  // A star may stand for all of them.
  assert.equal(seen(all[3]).count, 1000);
  // A series that is no longer seen is not asked for, and is again when it is seen.
  source.want([all[10]]);
  source.want([all[1000]]);
  assert.deepEqual([[...source.queue].length, all[10].loaded], [1, false]);
  asked = source.batch();
  assert.deepEqual([names(asked.parameters), asked.count], [6, 6]);
  // Many of them at once: the end of all, in one; then one alone, in full.
  asked = seen(...all.slice(0, 100));
  assert.deepEqual([asked.parameters, asked.list.length, asked.count], [[["name", "a.n"]], 1000, 1000]);
  source.want(all.slice(0, 100));
  assert.equal(source.queue.size, 0);
  assert.deepEqual(seen(all[20]).parameters, [["name", "a.n"], ["label", "k=20"], ["label", "odd=é"]]);
  source.want([all[20]]);
  assert.equal(source.queue.size, 0);

  // Whatever labels hold, a question is short enough.
  const long = (letter) => Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`key${i}`, letter.repeat(400)]));
  store.add("", ["x", "é", "&"].flatMap((letter) => Array.from({ length: 400 }, (_, i) => at(100, "b.n", 1, { ...long(letter), i: `${i}` }))));
  for (const series of [...store.series.values()].filter(({ name }) => name === "b.n").slice(398, 402)) {
    const { parameters } = seen(series);
    assert.ok(new URLSearchParams(parameters).toString().length < 3900, "too long");
    assert.ok(parameters.length < 34);
  }
});

test("a coarser curve has means, keeps gaps, and its borders stand still", () => {
  const fine = { t: [0, 1, 2, 3, 4, 5, 6, 7, 8], v: [1, 3, 5, 7, null, null, 2, 4, 6] };
  assert.deepEqual(coarse(fine, 2), { t: [1, 3, 5, 7, 8], v: [2, 6, null, 3, 6], least: [1, 5, null, 2, 6], most: [3, 7, null, 4, 6] });
  assert.deepEqual(coarse(fine, 4, "most").v, [7, 4, 6]);
  const later = { t: fine.t.slice(2).concat(9), v: fine.v.slice(2).concat(8) };
  assert.deepEqual(coarse(later, 2).v.slice(0, 3), coarse(fine, 2).v.slice(1, 4));
  assert.deepEqual([step(1800, 80), step(60, 80), step(1e9, 10)], [30, 1, 1e8]);
});

test("a range of an archive is asked for as finely as it is kept, and never with more points than are drawn", () => {
  const day = 86_400;
  const policy = { definition: [{ granularity: "0:01:00", timespan: "7 days, 0:00:00" }, { granularity: "0:00:01", timespan: "1:00:00" }, { granularity: "1 day, 0:00:00", timespan: null }] };
  const all = range.definitions(policy);
  assert.deepEqual(all.map(({ granularity, timespan }) => [granularity, timespan]), [[1, 3600], [60, 7 * day], [day, Infinity]]);
  const last = 1_700_000_000;
  for (const [span, method, granularity, resample] of [
    [600, "mean", 1, null], [3600, "mean", 1, 3], [3600, "std", 60, null], [day, "mean", 60, 120], [day, "count", day, null], [7 * day, "max", day, null],
    [30 * day, "mean", day, null], [365 * day, "mean", day, null], [3650 * day, "mean", day, 4 * day], [36_500 * day, "mean", day, 31 * day],
  ]) {
    assert.deepEqual(range.choose(all, { from: last - span, to: last, last, method }), { granularity, resample }, `${span} ${method}`);
  }
  // The far past is not there as finely.
  assert.equal(range.choose(all, { from: last - 100 * day, to: last - 100 * day + 600, last, method: "mean" }).granularity, day);
  assert.deepEqual(range.drawn(["mean", "max", "min", "count"], ""), { line: "mean", band: ["max", "min"] });
  assert.deepEqual(range.drawn(["count", "sum"], "mean"), { line: "count", band: [] });
  assert.deepEqual(range.curve([["1970-01-01T00:00:00+00:00", 60, 1], ["1970-01-01T00:01:00+00:00", 60, 2], ["1970-01-01T00:05:00+00:00", 60, 3]]), { t: [0, 60, 120, 300], v: [1, 2, null, 3] });
  assert.equal(next('<http://h/v1/metric?limit=5&marker=a>; rel="next"'), "limit=5&marker=a");
  assert.equal(next(null), null);
  assert.deepEqual([60, 90, 3600, 365 * day, 30 * day].map((s) => length(s).replace("\u202f", " ")), ["1 min", "90 s", "1 h", "1 y", "30 d"]);
});
