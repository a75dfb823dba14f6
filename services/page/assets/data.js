// The data layer: records of one or more nodes become series with their curves. Nothing here knows of the screen or of HTTP.

const PARTS = new Set(["count", "sum", "p50", "p95", "p99", "max"]);
const DISTRIBUTIONS = new Set(["timer", "histogram"]);

/** The values of one record over time, oldest first. */
class Track {
  t = [];
  v = [];

  push(t, v) {
    const last = this.t.length - 1;
    if (last < 0 || t > this.t[last]) {
      this.t.push(t);
      this.v.push(v);
    } else if (t === this.t[last]) {
      this.v[last] = v;
    }
  }

  /** Puts older values before those there are. */
  prepend(t, v) {
    const first = this.t.length ? this.t[0] : Infinity;
    let end = t.length;
    while (end > 0 && t[end - 1] >= first) end -= 1;
    if (end === 0) return;
    this.t = t.slice(0, end).concat(this.t);
    this.v = v.slice(0, end).concat(this.v);
  }

  /** Forgets what is older, from time to time. */
  trim(from) {
    if (this.t.length < 64 || this.t[this.t.length >> 2] >= from) return;
    const keep = this.from(from);
    this.t = this.t.slice(keep);
    this.v = this.v.slice(keep);
  }

  /** The place of the first value at a time or after it. */
  from(time) {
    let [low, high] = [0, this.t.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.t[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** One instrument with one set of labels, on one node. */
export class Series {
  constructor(node, name, labels, kind) {
    Object.assign(this, { node, name, labels, kind, unit: "", description: "", logger: "", parts: {} });
    // A node has a name where there are several.
    this.labelText = [node && `node:${node}`, ...labels.map(([key, value]) => `${key}=${value}`)].filter(Boolean).join(" ");
    this.key = keyOf(node, name, kind, labels);
    /** Whether its history was asked for; and whether only the end of it, because there are so many of the same name. */
    this.loaded = false;
    this.short = false;
  }

  get isDistribution() {
    return DISTRIBUTIONS.has(this.kind);
  }

  /** What it is searched by. */
  get haystack() {
    this.hay ??= `${this.name} ${this.labelText} ${this.description}`.toLowerCase();
    return this.hay;
  }

  part(name) {
    return (this.parts[name] ??= new Track());
  }

  /** The names of its records. */
  recordNames() {
    return this.isDistribution ? [...PARTS].map((part) => `${this.name}.${part}`) : [this.name];
  }
}

export class Store {
  constructor() {
    /** By node: what its instruments are, by kind and name. */
    this.catalogs = new Map();
    /** Every series, by key. */
    this.series = new Map();
    /** Those of one name, by node and name. */
    this.names = new Map();
    /** The track of a record, by node, name and labels. */
    this.tracks = new Map();
    this.nodes = new Map();
    /** Grows with each new series, or when more becomes known of one. */
    this.shape = 0;
  }

  /** Forgets the series of a node, and with `gone` the node. */
  clear(name, gone = false) {
    for (const [key, { node }] of this.series) if (node === name) this.series.delete(key);
    for (const [key, { series }] of this.tracks) if (series.node === name) this.tracks.delete(key);
    for (const [key, [{ node }]] of this.names) if (node === name) this.names.delete(key);
    const { state, lost } = this.node(name);
    this.nodes.delete(name);
    if (!gone) Object.assign(this.node(name), { state, lost });
    this.shape += 1;
  }

  /** `restarts` are the times when its program began anew: what is cumulative began at 0 again. `state` is what our own node says of it. */
  node(name) {
    if (!this.nodes.has(name)) this.nodes.set(name, { interval: 10, generations: 180, room: 1800, leftOut: 0, from: null, to: null, records: 0, restarts: new Set(), state: null, lost: false });
    return this.nodes.get(name);
  }

  /** All label sets of a name. */
  named(node, name) {
    return this.names.get(keyOf(node, name)) ?? [];
  }

  /** What `/v1/instruments` says. */
  setCatalog(node, answer) {
    const known = new Map();
    for (const instrument of answer.instruments) {
      const all = known.get(instrument.name) ?? [];
      all.push(instrument);
      known.set(instrument.name, all);
    }
    this.catalogs.set(node, known);
    Object.assign(this.node(node), { interval: answer.interval, generations: answer.generations, room: answer.window, leftOut: answer.left_out });
    for (const series of this.series.values()) if (series.node === node) this.describe(series);
    this.shape += 1;
  }

  describe(series) {
    const said = this.catalogs.get(series.node)?.get(series.name)?.find(({ kind }) => kind === series.kind);
    if (!said) return;
    Object.assign(series, { unit: said.unit ?? "", description: said.description ?? "", logger: said.logger, hay: undefined });
    if (series.kind === "gauge" && series.unit === "" && series.name.endsWith("timestamp_seconds")) series.unit = "timestamp";
  }

  /** The instrument of a record's name: its name, its kind, and the record's part of it; `null` when the catalog has none. */
  resolve(node, record) {
    const catalog = this.catalogs.get(node);
    const own = catalog?.get(record.metric)?.find(({ kind }) => !DISTRIBUTIONS.has(kind));
    if (own) return { name: record.metric, kind: own.kind, part: "value" };
    const dot = record.metric.lastIndexOf(".");
    const [base, part] = [record.metric.slice(0, dot), record.metric.slice(dot + 1)];
    const whole = PARTS.has(part) && catalog?.get(base)?.find(({ kind }) => DISTRIBUTIONS.has(kind));
    return whole ? { name: base, kind: whole.kind, part } : null;
  }

  /** Whether the catalog knows all these records. */
  knows(node, records) {
    return records.every((record) => this.tracks.has(trackKey(node, record)) || this.resolve(node, record));
  }

  track(node, record) {
    const key = trackKey(node, record);
    const known = this.tracks.get(key);
    if (known) return known;
    const fallback = { name: record.metric, kind: record.type === "gauge" ? "gauge" : "counter", part: "value" };
    const { name, kind, part } = this.resolve(node, record) ?? fallback;
    const labels = Object.entries(record.labels ?? {});
    // The object that a metric belongs to is told as Prometheus is told it.
    if (record.id !== "host") labels.unshift(["object", record.id]);
    let series = new Series(node, name, labels, kind);
    if (this.series.has(series.key)) {
      series = this.series.get(series.key);
    } else {
      this.series.set(series.key, series);
      const alike = this.named(node, name);
      alike.push(series);
      this.names.set(keyOf(node, name), alike);
      this.describe(series);
      this.shape += 1;
    }
    const found = { track: series.part(part), monotone: part === "count", series };
    this.tracks.set(key, found);
    return found;
  }

  /** Takes in records as they come, generation after generation. */
  add(node, records) {
    for (const record of records) {
      const { track, monotone } = this.track(node, record);
      const last = track.v.length - 1;
      if (monotone && last >= 0 && record.value < track.v[last] && record.timestamp > track.t[last]) {
        this.node(node).restarts.add(record.timestamp);
      }
      track.push(record.timestamp, record.value);
    }
  }

  /** Takes in what came before: oldest first, all of it at once. */
  addHistory(node, records) {
    const found = new Map();
    for (const record of records) {
      const { track, monotone } = this.track(node, record);
      let past = found.get(track);
      if (!past) found.set(track, (past = { t: [], v: [] }));
      const last = past.v.length - 1;
      if (monotone && last >= 0 && record.value < past.v[last]) this.node(node).restarts.add(record.timestamp);
      past.t.push(record.timestamp);
      past.v.push(record.value);
    }
    for (const [track, { t, v }] of found) track.prepend(t, v);
  }

  setWindow(node, window, records) {
    Object.assign(this.node(node), { from: window.from, to: window.to });
    if (records !== undefined) this.node(node).records = records;
  }

  /** Forgets what the nodes themselves have forgotten. */
  trim() {
    for (const { track, series } of this.tracks.values()) {
      const from = this.nodes.get(series.node)?.from;
      if (from !== null && from !== undefined) track.trim(from);
    }
  }

  /** The newest timestamp of all nodes. */
  get to() {
    return Math.max(0, ...[...this.nodes.values()].map(({ to }) => to ?? 0));
  }

  get from() {
    return Math.min(...[...this.nodes.values()].map(({ from }) => from ?? Infinity));
  }

  get interval() {
    return Math.max(1, ...[...this.nodes.values()].map(({ interval }) => interval));
  }

  /**
   * What is drawn of a series: `{ t, v }`, with a `null` wherever there is a gap. `what` is `value`, `rate`, or a part of a
   * distribution; `count` is in calls per second, `mean` is the change of the sum by that of the count.
   */
  curve(series, what, from) {
    const out = { t: [], v: [] };
    const { interval, restarts } = this.node(series.node);
    const gap = 2.5 * interval + 1;
    const put = (t, v) => {
      const last = out.t.length - 1;
      if (last >= 0 && t - out.t[last] > gap) {
        out.t.push(out.t[last] + gap / 2);
        out.v.push(null);
      }
      out.t.push(t);
      out.v.push(v);
    };
    if (what === "mean") {
      const [sum, count] = [series.part("sum"), series.part("count")];
      for (let i = Math.max(1, count.from(from)); i < count.t.length; i += 1) {
        const [calls, at] = [count.v[i] - count.v[i - 1], count.t[i]];
        const j = sum.from(at);
        if (calls > 0 && j > 0 && sum.t[j] === at && sum.t[j - 1] === count.t[i - 1]) put(at, (sum.v[j] - sum.v[j - 1]) / calls);
      }
      return out;
    }
    const differences = what === "rate" || what === "count";
    const { t, v } = series.part(what === "rate" ? "value" : what);
    const start = Math.max(differences ? 1 : 0, series.part(what === "rate" ? "value" : what).from(from));
    for (let i = start; i < t.length; i += 1) {
      if (!differences) put(t[i], v[i]);
      else put(t[i], restarts.has(t[i]) ? null : (v[i] - v[i - 1]) / (t[i] - t[i - 1]));
    }
    return out;
  }

  /** The last value of what is drawn, if it belongs to the newest generation of a node that answers. */
  last(series, what) {
    const name = what === "rate" ? "value" : what;
    const { t, v } = series.part(name);
    const last = t.length - 1;
    const { to, lost, state, restarts } = this.node(series.node);
    // Our own node shows its last: that it is lost is told at the top.
    if (last < 0 || t[last] < to || (lost && state)) return null;
    if (what !== "rate" && what !== "count") return v[last];
    if (last === 0 || restarts.has(t[last])) return null;
    return (v[last] - v[last - 1]) / (t[last] - t[last - 1]);
  }

  /** The last total of a counter, or of a distribution's calls. */
  total(series) {
    return this.series.get(series.key)?.part(series.isDistribution ? "count" : "value").v.at(-1) ?? null;
  }
}

function trackKey(node, { id, metric, labels }) {
  return labels ? keyOf(node, metric, id, labels) : keyOf(node, metric, id);
}

/** One text of several, different for different ones: whatever stands in a name or a label, NUL and quotes too, it is no border. */
function keyOf(...parts) {
  return JSON.stringify(parts);
}

/** Least, greatest and mean of a curve, without its gaps; `null` when there is nothing. */
export function summary({ v }) {
  let [least, most, sum, count] = [Infinity, -Infinity, 0, 0];
  for (const value of v) {
    if (value === null) continue;
    if (value < least) least = value;
    if (value > most) most = value;
    sum += value;
    count += 1;
  }
  return count ? { least, most, mean: sum / count } : null;
}

const STEPS = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400];

/** The width, in seconds, of so many points over a time, as a round number. */
export function step(seconds, points) {
  return STEPS.find((width) => width >= seconds / points) ?? Math.ceil(seconds / points);
}

/**
 * The same curve with one point each `width` seconds: the mean of what falls into it, or the greatest. The borders stand still while time
 * goes on, so nothing trembles; gaps stay.
 */
export function coarse({ t, v }, width, how = "mean") {
  const out = { t: [], v: [], least: [], most: [] };
  for (let i = 0; i < t.length; ) {
    const bucket = Math.floor(t[i] / width);
    let [sum, count, least, most, gap] = [0, 0, Infinity, -Infinity, false];
    const first = i;
    for (; i < t.length && Math.floor(t[i] / width) === bucket; i += 1) {
      if (v[i] === null) gap = true;
      else [sum, count, least, most] = [sum + v[i], count + 1, Math.min(least, v[i]), Math.max(most, v[i])];
    }
    // The last one is not full yet: it ends where the curve does.
    out.t.push(i === t.length ? t[i - 1] : (bucket + 0.5) * width);
    if (out.t.length > 1 && out.t.at(-1) <= out.t.at(-2)) out.t[out.t.length - 1] = t[first];
    out.v.push(count === 0 || (gap && count * 4 < i - first) ? null : how === "most" ? most : sum / count);
    out.least.push(count ? least : null);
    out.most.push(count ? most : null);
  }
  return out;
}
