// Cardinality: the names with the most series, and the labels with the most values, of all nodes together.

import { h } from "./dom.js";
import { joined, number } from "./format.js";
import { DEFAULTS, format } from "./route.js";

/** So many names and labels are shown. */
const LARGEST = 10;

const largest = (list) => list.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1)).slice(0, LARGEST);

/** Counts series by name, and the values of each label; the largest come first. */
export function counted(all) {
  const [names, labels] = [new Map(), new Map()];
  for (const { name, labels: pairs } of all) {
    names.set(name, (names.get(name) ?? 0) + 1);
    for (const [key, value] of pairs) {
      if (!labels.has(key)) labels.set(key, { values: new Set(), series: 0 });
      const label = labels.get(key);
      label.values.add(value);
      label.series += 1;
    }
  }
  return {
    names: largest([...names].map(([name, count]) => ({ name, count }))),
    labels: largest([...labels].map(([name, { values, series }]) => ({ name, count: values.size, series }))),
  };
}

export class Cardinality {
  /** `root` is a `details` with a place for both tables. */
  constructor(root, store) {
    Object.assign(this, { root, store, shape: -1 });
    root.addEventListener("toggle", () => this.update());
  }

  /** Counts again when series came or went, and only while somebody looks. */
  update() {
    const { root, store } = this;
    if (!root.open || this.shape === store.shape) return;
    this.shape = store.shape;
    const { names, labels } = counted(store.series.values());
    const figure = (x) => joined(number(x));
    const table = (heads, rows) =>
      h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell))))));
    const link = (name) => h("a", { href: format({ ...DEFAULTS, metric: null, labels: [], q: name }) }, name);
    root.querySelector("div").replaceChildren(
      table(["Name", "Series"], names.map(({ name, count }) => [link(name), figure(count)])),
      labels.length ? table(["Label", "Values", "Series"], labels.map(({ name, count, series }) => [name, figure(count), figure(series)])) : h("p", {}, "No series has a label."),
    );
  }
}
