// One metric of an archive: its curve over seconds to years, of which only what is shown is loaded, and its account.

import { RANGES, choose, curve, definitions, drawn, query } from "./archive_range.js";
import { Chart } from "./chart.js";
import { h, setText } from "./dom.js";
import { TICKS, axis, length, moment } from "./archive_format.js";
import { joined, number, quantity } from "./format.js";

/** Milliseconds between two looks at a range that goes on. */
const AGAIN = 10_000;

export class Metric {
  /** `go(parameters)` changes the address without a step in the browser's history. */
  constructor({ root, api, id, go, address }) {
    Object.assign(this, { root, api, id, go, address });
    this.loaded = null;
  }

  close() {
    clearTimeout(this.timer);
    this.closed = true;
    this.chart?.remove();
    this.root.replaceChildren();
  }

  async show(parameters, signal) {
    clearTimeout(this.timer);
    this.signal = signal;
    this.parameters = parameters;
    const { json, headers } = await this.api.get(`/v1/metric/${encodeURIComponent(this.id)}`, { signal });
    this.metric = json;
    this.account = ["accepted", "too-late"].map((name) => Number(headers.get(`x-measures-${name}`) ?? 0));
    const last = headers.get("x-measures-last");
    this.last = last ? Date.parse(last) / 1000 : null;
    if (!this.chart) this.build();
    this.tell();
    await this.load();
  }

  /** The range that is shown: as it is in the address, or so long until the last measure. */
  range() {
    const [from, to] = ["from", "to"].map((name) => Number(this.parameters.get(name)));
    if (from > 0 && to > from) return { name: "", from, to };
    const name = Object.hasOwn(RANGES, this.parameters.get("range") ?? "") ? this.parameters.get("range") : "1d";
    const to_ = Math.floor(this.last ?? Date.now() / 1000) + 1;
    return { name, from: Math.max(0, to_ - RANGES[name]), to: to_ };
  }

  build() {
    const { metric } = this;
    const policy = metric.archive_policy;
    const ranges = Object.keys(RANGES).map((name) => h("button", { type: "button", value: name }, name));
    this.ranges = h("div", { class: "segments", role: "group", "aria-label": "Time range" }, ranges);
    this.ranges.addEventListener("click", ({ target }) => target.value && this.change({ range: target.value, from: "", to: "" }));
    this.method = h("select", {}, policy.aggregation_methods.map((name) => h("option", {}, name)));
    this.method.addEventListener("change", () => this.change({ method: this.method.value }));
    this.facts = h("dl", { class: "stats" });
    this.said = h("p", { class: "note", role: "status" });
    this.chart = new Chart({ label: `Curve of ${metric.name ?? this.id}`, height: 320, describe: (at, data) => this.describe(at, data), zoomed: () => this.zoomed(), ticks: TICKS, time: axis });
    const title = h("h1", { tabindex: "-1" }, metric.name ?? this.id);
    const bar = h("div", { class: "bar" }, this.ranges, h("label", { class: "by" }, "aggregation ", this.method));
    this.root.replaceChildren(h("a", { class: "back", href: this.address("metric") }, "← all metrics"), h("div", { class: "title" }, title), this.facts, bar, this.chart.root, this.said);
  }

  tell() {
    const { metric, account, last } = this;
    const policy = metric.archive_policy;
    const [accepted, late] = account;
    const kept = definitions(policy).map(({ granularity, timespan }) => `${length(granularity)} for ${timespan === Infinity ? "ever" : length(timespan)}`).join(", ");
    const facts = [["policy", `${policy.name}: ${kept}`], ["measures", joined(number(accepted))], ["too late", joined(number(late))], ["last", last === null ? "none" : moment(last)]];
    const rows = facts.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text)));
    const { resource } = metric;
    if (resource) rows.push(h("div", {}, h("dt", {}, "resource"), h("dd", {}, h("a", { href: this.address("resource", resource.id) }, resource.original_resource_id ?? resource.id))));
    this.facts.replaceChildren(...rows);
  }

  change(changes) {
    const next = { ...Object.fromEntries(this.parameters), ...changes };
    this.parameters = new URLSearchParams(Object.entries(next).filter(([, value]) => value !== ""));
    this.go(Object.fromEntries(this.parameters));
    this.again();
  }

  /** A part that was marked is loaded as finely as it is kept; a double click goes back. */
  zoomed() {
    const { zoom } = this.chart;
    this.chart.zoom = null;
    this.change(zoom ? { from: String(Math.floor(zoom.from)), to: String(Math.ceil(zoom.to)) } : { from: "", to: "" });
  }

  again() {
    this.asked?.abort();
    this.load().catch((error) => !this.closed && error.name !== "AbortError" && setText(this.said, `The measures cannot be loaded: ${error.message}`));
  }

  async load() {
    clearTimeout(this.timer);
    this.asked = new AbortController();
    const signal = AbortSignal.any([this.asked.signal, this.signal]);
    const range = this.range();
    const { policy, unit } = { policy: this.metric.archive_policy, unit: this.metric.unit ?? "" };
    const { line, band } = drawn(policy.aggregation_methods, this.parameters.get("method") ?? "");
    const { granularity, resample } = choose(definitions(policy), { ...range, last: this.last ?? range.to, method: line });
    const path = `/v1/metric/${encodeURIComponent(this.id)}/measures`;
    const curves = await Promise.all([line, ...band].map(async (method) => {
      const { json } = await this.api.get(`${path}?${query({ ...range, granularity, resample, method })}`, { signal });
      return curve(json);
    }));
    if (this.closed || signal.aborted) return;
    for (const button of this.ranges.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === range.name));
    this.method.value = line;
    this.names = [line, ...band];
    const lines = this.names.map((name, i) => ({ curve: curves[i], name, colour: "gauge", width: i === 0 ? 1.75 : 0.5 }));
    this.chart.draw({ lines, bands: band.length ? [[1, 2, 0.16]] : [], value: (x) => quantity(x, unit), from: range.from, to: range.to });
    const points = curves[0].v.filter((value) => value !== null).length;
    setText(this.said, points === 0 ? "There is nothing in this range." : `${points} points of ${length(resample ?? granularity)}; mark a part of the curve to see it more finely, double-click to go back.`);
    // A range that ends with the last measure goes on.
    if (range.name !== "") this.timer = setTimeout(() => this.closed || document.hidden ? null : this.follow(), AGAIN);
  }

  async follow() {
    try {
      await this.show(this.parameters, this.signal);
    } catch {
      this.timer = setTimeout(() => this.closed || this.follow(), AGAIN);
    }
  }

  describe(at, data) {
    const unit = this.metric.unit ?? "";
    const values = this.names.map((name, i) => [name, data[i + 1][at]]).filter(([, value]) => value !== null && value !== undefined);
    return [h("span", {}, moment(data[0][at])), ...values.map(([name, value]) => h("span", {}, h("b", {}, `${name} `), joined(quantity(value, unit))))];
  }
}
