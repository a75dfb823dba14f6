// The list of all metrics. Only the rows that are seen exist; each is filled in place, so that nothing flickers and the focus stays.

import { h, setQuantity, setText } from "./dom.js";
import { KINDS, joined, number, quantity, rate } from "./format.js";
import { format } from "./route.js";
import { coarse, step } from "./data.js";
import { spark } from "./spark.js";

const BEYOND = 4;

export class List {
  /** `on.seen(list)` says which series are on the screen, `on.label(key, value)` and `on.node(name)` what was chosen. */
  constructor({ scroller, rows, store, on }) {
    Object.assign(this, { scroller, rows, store, on });
    this.items = [];
    this.offsets = [0];
    this.elements = new Map();
    this.narrow = window.matchMedia("(max-width: 720px)");
    this.narrow.addEventListener("change", () => this.setGroups(this.groups ?? []));
    scroller.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.schedule()).observe(scroller);
    rows.addEventListener("keydown", (event) => this.key(event));
    rows.addEventListener("focusout", () => this.schedule());
  }

  /** What is listed, in groups. */
  setGroups(groups) {
    this.groups = groups;
    const [row, head] = this.narrow.matches ? [84, 40] : [48, 44];
    this.items = [];
    this.offsets = [0];
    let at = 0;
    const add = (item, height) => {
      this.items.push(item);
      this.offsets.push((at += height));
    };
    for (const { name, list } of groups) {
      if (name !== "") add({ key: `head\0${name}`, head: name, count: list.length }, head);
      for (const series of list) add({ key: series.key, series }, row);
    }
    this.rows.style.height = `${at}px`;
    // A head has room above it.
    this.rows.classList.toggle("headless", this.items[0]?.head === undefined);
    this.rows.setAttribute("aria-rowcount", String(this.items.length));
    this.render();
  }

  setView(view) {
    this.view = view;
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.render();
    });
  }

  /** The item at a height. */
  at(y) {
    let [low, high] = [0, this.items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.offsets[middle + 1] <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  render() {
    if (!this.scroller.offsetParent && this.scroller.clientHeight === 0) return;
    const top = this.scroller.scrollTop - this.rows.offsetTop;
    const first = Math.max(0, this.at(top) - BEYOND);
    const last = Math.min(this.items.length, this.at(top + this.scroller.clientHeight) + 1 + BEYOND);
    const wanted = new Set();
    const seen = [];
    let before = null;
    for (let i = first; i < last; i += 1) {
      const item = this.items[i];
      wanted.add(item.key);
      let element = this.elements.get(item.key);
      if (!element) {
        element = item.series ? this.makeRow(item.series) : this.makeHead(item);
        this.elements.set(item.key, element);
      }
      if (item.head !== undefined) setText(element.count, String(item.count));
      element.style.transform = `translateY(${this.offsets[i]}px)`;
      element.setAttribute("aria-rowindex", String(i + 1));
      element.index = i;
      element.classList.toggle("last", !this.items[i + 1]?.series);
      // In the order in which they stand, for the keyboard and for screen readers.
      const next = before ? before.nextSibling : this.rows.firstChild;
      if (element !== next && !(element.parentNode === this.rows && element.contains(document.activeElement))) this.rows.insertBefore(element, next);
      before = element;
      if (item.series) seen.push([element, item.series]);
    }
    for (const [key, element] of this.elements) {
      if (wanted.has(key) || element.contains(document.activeElement)) continue;
      element.remove();
      this.elements.delete(key);
    }
    this.on.seen(seen.map(([, series]) => series));
    for (const [element, series] of seen) this.fill(element, series);
  }

  makeHead({ head, count }) {
    const number = h("span", { class: "count" }, String(count));
    const row = h("div", { class: "group", role: "row" }, h("div", { role: "cell", "aria-colspan": "4" }, h("h2", { title: head }, head), number));
    row.count = number;
    return row;
  }

  makeRow(series) {
    const [group, leaf] = split(series);
    const chips = series.labels.map(([key, value]) =>
      h("button", { class: "chip", type: "button", title: `${key} = ${value}`, "aria-label": `only ${key} = ${value}`, onclick: () => this.on.label(key, value) }, h("span", { class: "key" }, `${key} `), value),
    );
    const { node } = series;
    if (node) chips.unshift(h("button", { class: "chip node", type: "button", title: `node ${node}`, "aria-label": `only node ${node}`, onclick: () => this.on.node(node) }, h("span", { class: "key" }, "node "), node));
    const link = h("a", { class: "name", title: series.description || series.name }, h("span", { class: "path" }, group), leaf);
    const [value, more, canvas] = [h("span", { class: "value" }), h("span", { class: "more" }), h("canvas", { "aria-hidden": "true" })];
    const row = h(
      "div",
      { class: "row", role: "row" },
      h("div", { class: "what", role: "rowheader" }, link, h("span", { class: "chips" }, chips)),
      h("div", { class: "kind", role: "cell" }, h("span", { class: `dot ${series.kind}`, "aria-hidden": "true" }), KINDS[series.kind] ?? series.kind),
      h("div", { class: "now", role: "cell" }, value, more),
      h("div", { class: "curve", role: "cell" }, canvas),
    );
    return Object.assign(row, { link, value, more, canvas });
  }

  /** What changes with time. */
  fill(row, series) {
    const { state, from, to } = this.view;
    const link = format({ ...state, metric: series.name, labels: series.labels, show: "", q: "", by: "logger", node: series.node });
    if (row.link.getAttribute("href") !== link) row.link.setAttribute("href", link);
    const { store } = this;
    const { kind, unit } = series;
    const width = step(to - from, 80);
    const curve = (part) => coarse(store.curve(series, part, from), width, part === "p95" || part === "p99" ? "most" : "mean");
    if (series.isDistribution) {
      setQuantity(row.value, quantity(store.last(series, "p50"), unit));
      const calls = joined(rate(store.last(series, "count"), ""));
      const slow = store.last(series, "p99");
      setText(row.more, slow === null ? calls : `p99 ${joined(quantity(slow, unit))} · ${calls}`);
      spark(row.canvas, ["p50", "p95", "p99"].map(curve), kind, from, to);
    } else if (kind === "counter") {
      const total = store.last(series, "value");
      const [each, all] = [rate(store.last(series, "rate"), unit), unit ? quantity(total, unit) : number(total ?? NaN)];
      const rates = state.as === "rate";
      setQuantity(row.value, rates ? each : all);
      setText(row.more, rates ? `${joined(all)} in all` : joined(each));
      spark(row.canvas, [curve(rates ? "rate" : "value")], kind, from, to);
    } else {
      setQuantity(row.value, quantity(store.last(series, "value"), unit));
      setText(row.more, "");
      spark(row.canvas, [curve("value")], kind, from, to);
    }
  }

  /** Arrows go from row to row, wherever the focus is in it. */
  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key];
    const row = event.target.closest?.(".row");
    if (step === undefined || !row || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const clamp = (i) => Math.max(0, Math.min(this.items.length - 1, i));
    let to = clamp(row.index + step);
    const way = Math.sign(step);
    while (this.items[to] && !this.items[to].series) {
      if (to + way < 0 || to + way >= this.items.length) return this.focus(to - way);
      to += way;
    }
    this.focus(to);
  }

  focus(i) {
    if (!this.items[i]?.series) return;
    const [top, bottom] = [this.offsets[i] + this.rows.offsetTop, this.offsets[i + 1] + this.rows.offsetTop];
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop + 60) this.scroller.scrollTop = top - 60;
    else if (bottom > scrollTop + clientHeight - 20) this.scroller.scrollTop = bottom - clientHeight + 20;
    this.render();
    this.elements.get(this.items[i].key)?.link.focus({ preventScroll: true });
  }
}

/** The name without what its group says already: the quiet part, and the rest. */
function split(series) {
  const logger = series.logger;
  if (logger && series.name.startsWith(`${logger}.`)) return [`${logger}.`, series.name.slice(logger.length + 1)];
  return ["", series.name];
}
