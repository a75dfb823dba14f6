// How ferrometer itself is: the account of each backend, the limits, and the window of the cache, from its own metrics.

import { h, setText } from "./dom.js";
import { joined, number, rate, span } from "./format.js";
import { format } from "./route.js";

const OWN = /(?:^|\.)ferrometer\.backend\.([^.]+)\.(.+)$/;
const LIMITS = /(?:^|\.)ferrometer\.limits\.([^.]+)\.(used|max)$/;

/** The own metrics of the store, by backend and by limit. */
function collect(store) {
  const [backends, limits] = [new Map(), new Map()];
  for (const series of store.series.values()) {
    const own = OWN.exec(series.name);
    const limit = own ? null : LIMITS.exec(series.name);
    if (own) {
      if (!backends.has(own[1])) backends.set(own[1], {});
      backends.get(own[1])[own[2]] = series;
    } else if (limit) {
      limits.set(limit[1], { ...limits.get(limit[1]), [limit[2]]: series });
    }
  }
  return { backends, limits };
}

export class Health {
  constructor(root, store) {
    Object.assign(this, { root, store });
    this.tiles = new Map();
    this.shape = -1;
  }

  tile(name, label) {
    if (!this.tiles.has(name)) {
      const [value, note] = [h("span", { class: "figure" }), h("span", { class: "note" })];
      const tile = h("div", { class: "tile" }, h("dt", {}, label), h("dd", {}, value, note));
      this.tiles.set(name, { tile, value, note });
      this.root.append(tile);
    }
    return this.tiles.get(name);
  }

  set(name, label, value, note, bad = false) {
    const tile = this.tile(name, label);
    setText(tile.value, value);
    setText(tile.note, note);
    tile.tile.classList.toggle("bad", bad);
  }

  update(count) {
    const { store } = this;
    if (this.shape !== store.shape) {
      this.found = collect(store);
      this.shape = store.shape;
    }
    const last = (series) => (series ? series.part("value").v.at(-1) ?? 0 : 0);
    const figure = (x) => joined(number(x));
    const nodes = [...store.nodes.values()];
    const limit = this.found.limits.get("instruments");
    const [used, max] = [last(limit?.used), last(limit?.max)];
    const refused = [...this.found.limits].filter(([, { used, max }]) => max && last(used) >= last(max)).map(([name]) => name);
    const leftOut = nodes.reduce((sum, { leftOut }) => sum + leftOut, 0);
    const notes = [max > 0 && `${figure(used)} of ${figure(max)} places taken`, leftOut > 0 && `${leftOut} left out`, refused.length > 0 && `full: ${refused.join(", ")}`];
    this.set("metrics", "Metrics", figure(count), notes.filter(Boolean).join(" · "), leftOut > 0 || refused.length > 0);
    for (const [name, own] of [...this.found.backends].sort()) {
      const dropped = Object.entries(own).filter(([what]) => what.startsWith("dropped."));
      const lost = dropped.reduce((sum, [, series]) => sum + last(series), 0);
      const errors = last(own.errors);
      const causes = dropped.filter(([, series]) => last(series) > 0).map(([what, series]) => `${what.slice("dropped.".length)} ${figure(last(series))}`);
      const sent = own.sent ? store.last(own.sent, "rate") : null;
      const parts = [`${figure(lost)} dropped${causes.length ? ` (${causes.join(", ")})` : ""}`];
      if (last(own.pending) > 0) parts.push(`${figure(last(own.pending))} pending`);
      if (errors > 0) parts.push(`${figure(errors)} failed deliveries`);
      this.set(`backend ${name}`, `Delivered to ${name}`, sent === null ? "–" : joined(rate(sent, "")), parts.join(" · "), lost > 0 || errors > 0);
    }
    const { interval, generations, room, from, to } = nodes[0] ?? {};
    if (to !== null && to !== undefined) {
      this.set("window", "Kept", span(to - from), `one generation each ${span(interval)}, up to ${span(Math.min(interval * generations, room))}`);
    }
  }

  /** The address of the list of ferrometer's own metrics. */
  static link(state) {
    return format({ ...state, metric: null, labels: [], q: "ferrometer.", by: "logger" });
  }
}
