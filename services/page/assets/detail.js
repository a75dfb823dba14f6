// One metric, large: its curve or its quantiles over time, and a row for each of its label sets.

import { Chart } from "./chart.js";
import { coarse, step, summary } from "./data.js";
import { h, setText } from "./dom.js";
import { KINDS, clock, joined, quantity, rate, span } from "./format.js";
import { format } from "./route.js";
import { isLogarithmic } from "./spark.js";

/** More lines than that nobody tells apart. */
const MOST_LINES = 8;
const MOST_ROWS = 500;
const COLOURS = ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"];
const QUANTITIES = {
  __proto__: null,
  quantiles: "quantiles",
  p50: "median",
  p95: "p95",
  p99: "p99",
  max: "max",
  mean: "mean",
  count: "calls per second",
};

export class Detail {
  /** `on.go(changes)` changes the address, `on.seen(list)` says what is looked at. */
  constructor({ root, store, on }) {
    Object.assign(this, { root, store, on });
  }

  /** Whether a series is what the address says. */
  static matches(state, series) {
    if (series.name !== state.metric || (state.node && series.node !== state.node)) return false;
    return state.labels.every(([key, value]) => series.labels.some((label) => label[0] === key && label[1] === value));
  }

  update(view) {
    const { state } = view;
    this.view = view;
    const chosen = JSON.stringify([state.metric, state.labels, state.node, state.show, state.as]);
    if (chosen !== this.chosen || this.store.shape !== this.shape) {
      const list = [...this.store.series.values()].filter((series) => Detail.matches(state, series));
      list.sort((a, b) => (a.key < b.key ? -1 : 1));
      const said = JSON.stringify(list.map(({ unit, description }) => [unit, description]));
      // News from elsewhere leave what is looked at as it is.
      const same = chosen === this.chosen && said === this.said && list.every((series, i) => series === this.list[i]);
      Object.assign(this, { list, chosen, said, shape: this.store.shape });
      if (!same) this.build();
    }
    if (this.list.length === 0) return;
    this.on.seen(this.list);
    this.fill();
  }

  close() {
    this.chosen = null;
    this.details = null;
    this.charts?.forEach((chart) => chart.remove());
    this.charts = [];
    this.root.replaceChildren();
  }

  /** What is shown, and in which unit. */
  get what() {
    const { state } = this.view;
    const [first] = this.list;
    if (!first?.isDistribution) return first?.kind === "counter" && state.as === "rate" ? "rate" : "value";
    const shown = state.show in QUANTITIES ? state.show : "";
    return this.list.length > 1 ? (shown === "quantiles" ? "p50" : shown || "p50") : shown || "quantiles";
  }

  show(x) {
    return shown(x, this.what, this.list[0]?.unit ?? "");
  }

  build() {
    const { state, back: list } = this.view;
    this.charts?.forEach((chart) => chart.remove());
    this.charts = [];
    const back = h("a", { class: "back", href: list }, "← All metrics");
    const hadFocus = this.root.contains(document.activeElement);
    const title = h("h1", { tabindex: "-1" }, state.metric);
    if (this.list.length === 0) {
      this.root.replaceChildren(back, title, h("p", { class: "empty" }, "There is no such metric, or it has no values yet. It appears here by itself when it has."));
      return;
    }
    const [first] = this.list;
    const chips = state.labels.map(([key, value]) =>
      h("a", { class: "chip", title: "all label sets", href: format({ ...state, labels: state.labels.filter((l) => l[0] !== key || l[1] !== value) }) }, h("span", { class: "key" }, `${key} `), value, h("span", { "aria-hidden": "true" }, " ×"), h("span", { class: "hidden" }, " (remove)")),
    );
    if (state.node) chips.unshift(h("a", { class: "chip node", title: "all nodes", href: format({ ...state, node: "" }) }, h("span", { class: "key" }, "node "), state.node, h("span", { "aria-hidden": "true" }, " ×"), h("span", { class: "hidden" }, " (remove)")));
    const single = this.list.length === 1;
    const { what } = this;
    const heading = QUANTITIES[what] ? QUANTITIES[what][0].toUpperCase() + QUANTITIES[what].slice(1) : what === "rate" ? "Change per second" : first.kind === "counter" ? "Total" : "Value";
    this.stats = {};
    const stats = h("dl", { class: "stats" });
    for (const [key, label] of [["now", single ? (this.what === "quantiles" ? "median now" : "now") : "shown"], ["least", "least"], ["mean", "mean"], ["most", "greatest"]]) {
      const value = h("dd", {});
      this.stats[key] = value;
      stats.append(h("div", {}, h("dt", {}, label), value));
    }
    this.scale = h("span", { class: "scale" });
    this.charts.push(new Chart({ label: `${state.metric} over time`, height: 340, describe: (at, data) => this.describe(at, data), zoomed: () => this.fill() }));
    this.charts[0].root.prepend(h("h2", {}, heading, this.scale));
    if (single && this.what === "quantiles") {
      const calls = new Chart({
        label: `Calls per second of ${state.metric}`,
        height: 160,
        describe: (at, [times, values]) => [h("b", {}, clock(times[at])), h("span", {}, `${joined(rate(values[at] ?? null, ""))} calls`)],
      });
      calls.root.prepend(h("h2", {}, "Calls per second"));
      this.charts.push(calls);
    }
    this.values = h("tbody", {});
    const details = h("details", { class: "values", open: this.details?.open, ontoggle: () => this.fillValues() }, h("summary", {}, "Values as a table"), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Values" }, h("table", {}, h("thead", {}, this.head = h("tr", {})), this.values)));
    this.details = details;
    this.root.replaceChildren(
      ...[
        back,
        h("div", { class: "title" }, title, h("span", { class: "kind" }, h("span", { class: `dot ${first.kind}`, "aria-hidden": "true" }), KINDS[first.kind] ?? first.kind, first.unit ? ` · ${first.unit}` : "")),
        first.description && h("p", { class: "description" }, first.description),
        chips.length > 0 && h("p", { class: "chips" }, chips),
        h("div", { class: "bar" }, stats, this.chooser()),
        ...this.charts.map((chart) => chart.root),
        !single && this.table(),
        details,
      ].filter(Boolean),
    );
    if (hadFocus) title.focus({ preventScroll: true });
  }

  /** The quantities of a timer, or rate and total of a counter. */
  chooser() {
    const [first] = this.list;
    const { state } = this.view;
    let choices = [];
    if (first.kind === "counter") choices = [["rate", "per second", { as: "rate" }], ["value", "total", { as: "total" }]];
    if (first.isDistribution) {
      const keys = Object.keys(QUANTITIES).filter((key) => key !== "quantiles" || this.list.length === 1);
      choices = keys.map((key) => [key, QUANTITIES[key], { show: key }]);
    }
    if (choices.length === 0) return null;
    return h(
      "div",
      { class: "segments", role: "group", "aria-label": "What is shown" },
      choices.map(([key, text, change]) => h("button", { type: "button", "aria-pressed": String(key === this.what), onclick: () => this.on.go({ ...state, ...change }) }, text)),
    );
  }

  table() {
    const { state } = this.view;
    this.rows = this.list.slice(0, MOST_ROWS).map((series, i) => {
      const cells = [0, 1, 2].map(() => h("td", {}));
      const mark = h("span", { class: "mark", "aria-hidden": "true" });
      if (i < MOST_LINES) mark.classList.add(COLOURS[i]);
      const labels = series.labels.filter(([key]) => !state.labels.some(([own]) => own === key));
      const node = !state.node && series.node ? [`node ${series.node}`] : [];
      const text = [...node, ...labels.map(([key, value]) => `${key} = ${value}`)].join(", ") || "without further labels";
      const link = h("a", { href: format({ ...state, labels: series.labels, show: "", node: series.node }) }, text);
      return { series, cells, row: h("tr", {}, h("th", { scope: "row" }, mark, link), cells) };
    });
    const more = this.list.length - this.rows.length;
    return h(
      "section",
      { class: "sets" },
      h("h2", {}, `${this.list.length} label sets`),
      this.list.length > MOST_LINES && h("p", { class: "note" }, `The first ${MOST_LINES} are drawn.${more > 0 ? ` ${more} more are not listed: search for a label in the list of all metrics.` : ""}`),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Label sets" }, h("table", {}, h("thead", {}, h("tr", {}, ["labels", "now", "least", "greatest"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, this.rows.map(({ row }) => row)))),
    );
  }

  fill() {
    const { store, what } = this;
    const { from, to } = this.view;
    const single = this.list.length === 1;
    const [first] = this.list;
    // Axes are drawn a moment later, when another metric may be looked at.
    const value = (x) => shown(x, what, first.unit);
    // With more points than can be told apart, each is the mean of some; closer up, all are there.
    const near = this.charts[0].zoom ?? { from, to };
    const width = step(near.to - near.from, 300);
    const coarser = width >= 3 * this.store.interval;
    const curve = (series, part) => {
      const fine = store.curve(series, part, near === this.charts[0].zoom ? near.from - width : from);
      return coarser ? coarse(fine, width, part === "max" ? "most" : "mean") : fine;
    };
    const drawn = this.list.slice(0, MOST_LINES);
    let lines = [];
    let bands = [];
    if (what === "quantiles") {
      const kind = first.kind;
      lines = [["p50", 2.25], ["p95", 1.25], ["p99", 1.25], ["max", 1, [3, 4]]].map(([part, width, dash]) => ({ name: part, curve: curve(first, part), colour: part === "max" ? "quiet" : kind, width, dash }));
      bands = [[1, 0, 0.26], [2, 1, 0.13]];
    } else {
      lines = drawn.map((series, i) => ({ name: single ? "" : series.labelText || series.name, curve: curve(series, what), colour: single ? series.kind : COLOURS[i], fill: single ? 0.1 : 0 }));
      if (single && coarser) {
        const { t, least, most } = lines[0].curve;
        lines.push({ name: "greatest", curve: { t, v: most }, colour: first.kind, width: 0 }, { name: "least", curve: { t, v: least }, colour: first.kind, width: 0 });
        bands = [[1, 2, 0.16]];
        Object.assign(lines[0], { fill: 0, name: "mean" });
      }
    }
    this.lines = lines;
    const [low, high] = [lines[0], lines.at(-1)].map(({ curve }) => summary(curve));
    const logarithmic = what === "quantiles" && low !== null && isLogarithmic(lines.length, low.least, high?.most ?? 0);
    setText(this.scale, [coarser && `each point is the mean of ${span(width)}${what === "quantiles" ? ", of max the greatest" : single ? "; the band is from least to greatest" : ""}`, logarithmic && "logarithmic scale"].filter(Boolean).join(" · "));
    this.charts[0].draw({ lines, bands, value, from, to, logarithmic });
    this.charts[1]?.draw({ lines: [{ name: "calls", curve: curve(first, "count"), colour: first.kind, fill: 0.1 }], value: (x) => rate(x, ""), from, to });
    const sums = what === "quantiles" ? summary(store.curve(first, "p50", from)) : summary({ v: drawn.flatMap((series) => store.curve(series, what, from).v) });
    const last = single ? store.last(first, what === "quantiles" ? "p50" : what) ?? (what === "mean" ? lines[0].curve.v.at(-1) : null) : null;
    setText(this.stats.now, single ? joined(value(last)) : `${this.list.length} label sets`);
    for (const key of ["least", "mean", "most"]) setText(this.stats[key], joined(value(sums?.[key] ?? null)));
    for (const { series, cells } of single ? [] : this.rows) {
      const curve = store.curve(series, what, from);
      const sum = summary(curve);
      const now = what === "mean" ? curve.v.at(-1) ?? null : store.last(series, what);
      [now, sum?.least ?? null, sum?.most ?? null].forEach((x, i) => setText(cells[i], joined(value(x))));
    }
    this.fillValues();
  }

  /** The newest values as a table, while it is open. */
  fillValues() {
    if (!this.details?.open || !this.charts[0]?.data) return;
    const [times, ...columns] = this.charts[0].data;
    const heads = ["time", ...this.lines.map(({ name }) => name || "value")];
    if (this.head.childElementCount !== heads.length) this.head.replaceChildren(...heads.map((text) => h("th", { scope: "col" }, text)));
    const rows = [];
    for (let i = times.length - 1; i >= 0 && rows.length < 60; i -= 1) {
      if (columns.every((column) => column[i] === null || column[i] === undefined)) continue;
      rows.push(h("tr", {}, h("th", { scope: "row" }, clock(times[i])), columns.map((column) => h("td", {}, joined(this.show(column[i] ?? null))))));
    }
    this.values.replaceChildren(...rows);
  }

  describe(at, [times, ...columns]) {
    const parts = this.lines.map(({ name, colour }, i) => {
      const value = columns[i]?.[at];
      return h("span", {}, h("span", { class: `mark ${colour}${name === "p95" || name === "p99" ? ` ${name}` : ""}`, "aria-hidden": "true" }), this.lines.length > 1 && name !== "" ? `${name} ` : "", joined(this.show(value ?? null)));
    });
    return [h("b", {}, clock(times[at])), ...parts];
  }
}

function shown(x, what, unit) {
  return what === "rate" ? rate(x, unit) : what === "count" ? rate(x, "") : quantity(x, unit);
}
