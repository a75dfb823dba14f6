// How ferrometer itself is: the account of each backend, the limits, and the window of the cache, from its own metrics.

import { h, setText } from "./dom.js";
import { clock, joined, number, rate, span } from "./format.js";
import { format } from "./route.js";

const OWN = /(?:^|\.)ferrometer\.backend\.([^.]+)\.(.+)$/;
const LIMITS = /(?:^|\.)ferrometer\.limits\.([^.]+)\.(used|max)$/;

/** So many nodes have a tile of their own; those that are lost first. */
const MOST_NODES = 12;

/** The own metrics of one node, by backend and by limit. */
function collect(store, node) {
  const [backends, limits] = [new Map(), new Map()];
  for (const series of store.series.values()) {
    if (series.node !== node) continue;
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

  /** `own` is the name of our own node. */
  update(count, own) {
    const { store } = this;
    if (this.shape !== store.shape) {
      this.found = collect(store, own);
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
    const { interval, generations, room, from, to } = store.node(own);
    if (to !== null) {
      this.set("window", "Kept", span(to - from), `one generation each ${span(interval)}, up to ${span(Math.min(interval * generations, room))}`);
    }
    this.others();
  }

  /** The other nodes: whether they answer, when they last did, and what was wrong. */
  others() {
    const { store } = this;
    const rank = ([, { lost }]) => (lost ? 0 : 1);
    const all = [...store.nodes].filter(([, { state }]) => state).sort((a, b) => rank(a) - rank(b) || (a[0] < b[0] ? -1 : 1));
    const shown = all.slice(0, MOST_NODES);
    for (const [name, { lost, state, to }] of shown) {
      const seen = state.last_seen ?? to;
      const trouble = state.last_error && `${lost ? "" : "before that "}it ${state.last_error}${state.last_error_at ? ` (${clock(state.last_error_at)})` : ""}`;
      const notes = [seen === null ? lost && "never seen" : `last seen ${clock(seen)}`, trouble];
      this.set(`node ${name}`, `Node ${name}`, lost ? "Lost" : to === null ? "Connecting" : "Live", notes.filter(Boolean).join(" · "), lost);
    }
    const names = new Set(shown.map(([name]) => `node ${name}`));
    for (const [name, { tile }] of this.tiles) {
      if (!name.startsWith("node ") || names.has(name)) continue;
      tile.remove();
      this.tiles.delete(name);
    }
    const rest = all.slice(MOST_NODES);
    const lost = rest.filter(([, { lost }]) => lost).length;
    if (rest.length) this.set("rest", "More nodes", String(rest.length), lost ? `${lost} lost` : "all live", lost > 0);
    if (this.hidden) this.set("hidden", "Other nodes", String(this.hidden), "not shown: the token lacks Sys.Audit on /");
  }

  /** The address of the list of ferrometer's own metrics. */
  static link(state) {
    return format({ ...state, metric: null, labels: [], q: "ferrometer.", by: "logger" });
  }
}
