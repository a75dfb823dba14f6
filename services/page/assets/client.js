// One source of records: a node that is asked for what is new, again and again; other nodes through our own. Whatever happens on the way
// (no connection, no token, a program that began anew), it mends by itself.

/** So many records are fetched at once when the page opens; with more, the history of each metric is fetched when it is seen. */
const WHOLE = 60_000;
/** Records of one answer; of another node's, less, because there is an end to what our own takes from it. */
const PAGE = 20_000;
const PEER_PAGE = 5000;
const MOST_PATTERNS = 32;
/** So many label sets of one name are asked for one by one. */
const FEW = 2 * MOST_PATTERNS;
const MOST_QUERY = 3500;
const TIMEOUT = 20_000;

class NeedsToken extends Error {}

/** Like `fetch`, with an end. */
async function ask(url, headers) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), TIMEOUT);
  try {
    const response = await fetch(url, { headers, signal: controller.signal, cache: "no-store", credentials: "omit", redirect: "error" });
    const text = response.status === 304 ? "" : await response.text();
    return { status: response.status, etag: response.headers.get("etag"), text };
  } finally {
    clearTimeout(timer);
  }
}

function reason(text, status) {
  try {
    return JSON.parse(text).error ?? `status ${status}`;
  } catch {
    return `status ${status}`;
  }
}

export class Source {
  /**
   * `node` is the name of another node, or nothing for our own. `on.data()` after new records, `on.state(state)` when the connection changes,
   * `on.token(message)` when a token is needed; `on.cluster(answer)` says which nodes there are, and gives our own a name if there are others.
   */
  constructor({ base, node, store, token, on }) {
    Object.assign(this, { base, node: node ?? "", store, on });
    this.peer = node !== undefined;
    this.route = this.peer ? `v1/nodes/${encodeURIComponent(node)}/` : "v1/";
    this.token = token;
    this.state = { name: "connecting" };
    this.queue = new Set();
    this.etag = null;
    this.failures = 0;
    this.known = false;
  }

  start() {
    this.loop();
    const now = () => {
      this.next = 0;
      this.wake?.();
    };
    for (const event of ["online", "focus"]) window.addEventListener(event, now);
    document.addEventListener("visibilitychange", () => !document.hidden && now());
  }

  stop() {
    this.stopped = true;
    this.wake?.();
  }

  setToken(token) {
    this.token = token;
    this.wake?.();
  }

  setState(state) {
    this.state = state;
    this.store.node(this.node).lost = state.name === "lost";
    this.on.state(state);
  }

  sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async loop() {
    // When generations are asked for again; histories that are wanted meanwhile do not wait for it.
    this.next = 0;
    while (!this.stopped) {
      try {
        if (Date.now() >= this.next) {
          const news = this.known ? await this.poll() : await this.first();
          // Generations come at their interval; one that is late is asked for a little more often.
          const interval = this.store.node(this.node).interval * 1000;
          this.next = Date.now() + (news ? interval : Math.min(1000, Math.max(250, interval / 5)));
        }
        this.failures = 0;
        if (this.state.name !== "live") this.setState({ name: "live" });
        await this.histories();
        await this.sleep(Math.max(0, this.next - Date.now()));
      } catch (error) {
        if (error instanceof NeedsToken) {
          this.setState({ name: "token" });
          this.on.token(error.message);
          this.next = 0;
          await this.sleep(3_600_000);
          continue;
        }
        this.failures += 1;
        this.next = 0;
        const wait = Math.min(8000, 500 * 2 ** Math.min(this.failures, 5));
        this.setState({ name: "lost", message: String(error.message ?? error), wait, since: this.state.since ?? Date.now() });
        await this.sleep(wait);
      }
    }
  }

  async get(path, parameters = [], etag = null) {
    const url = new URL(this.route + path, this.base);
    for (const [key, value] of parameters) url.searchParams.append(key, value);
    const headers = { Accept: "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (etag) headers["If-None-Match"] = etag;
    const { status, text, etag: tag } = await ask(url, headers);
    if (status === 304) return null;
    if (status === 401) throw new NeedsToken(this.token ? "This token is not known here." : "");
    if (status !== 200) throw new Error(reason(text, status));
    const answer = JSON.parse(text);
    if (this.peer) {
      this.store.node(this.node).state = answer.node;
      if (!answer.node.reachable) throw new Error(answer.node.last_error);
    }
    return { ...answer, etag: tag };
  }

  /** Records, page after page. */
  async records(parameters, limit, etag) {
    let whole = null;
    for (let after = []; ; ) {
      const answer = await this.get("metrics", [...parameters, ...(limit ? [["limit", limit]] : []), ...after], etag);
      if (answer === null) return null;
      if (whole) for (const record of answer.data) whole.data.push(record);
      else whole = answer;
      if (!answer.next) return whole;
      after = [["after", answer.next]];
    }
  }

  async catalog() {
    this.store.setCatalog(this.node, await this.get("instruments"));
  }

  /** Records that the catalog does not know are newer than it. */
  async understand(records) {
    if (!this.store.knows(this.node, records)) await this.catalog();
  }

  /** Everything, when the page opens. */
  async first() {
    if (!this.peer) {
      const cluster = await this.get("nodes");
      const name = cluster.nodes.length ? cluster.node : "";
      if (name !== this.node) this.store.clear(this.node, true);
      this.node = name;
      this.on.cluster(cluster);
    }
    await this.catalog();
    const { data, window } = await this.records([], this.peer && PEER_PAGE);
    await this.understand(data);
    this.store.add(this.node, data);
    this.store.setWindow(this.node, window, data.length);
    this.on.data();
    this.known = true;
    if (data.length * this.generations(window) <= WHOLE) {
      for (const series of this.store.series.values()) if (series.node === this.node) series.loaded = true;
      await this.history([], data.length);
    }
    return true;
  }

  generations({ from, to }) {
    const { interval } = this.store.node(this.node);
    return from === null ? 0 : Math.round((to - from) / Math.max(1, interval)) + 1;
  }

  /** What is new since. */
  async poll() {
    const node = this.store.node(this.node);
    const last = node.to;
    // After a long sleep what was missed may be too much to take at once.
    const missed = last === null ? 0 : ((Date.now() / 1000 - last) / Math.max(1, node.interval)) * node.records;
    if (missed > 2 * WHOLE) return this.again();
    const parameters = last === null ? [] : [["history", "1"], ["start-time", last]];
    const answer = await this.records(parameters, this.peer && PEER_PAGE, this.etagFor === last ? this.etag : null);
    if (answer === null) return false;
    const { data, window } = answer;
    [this.etag, this.etagFor] = [answer.etag, last];
    // The program began anew, or its clock was set back, or the page slept longer than the window: what is here does not go on.
    if (last !== null && (window.to === null || window.to < last || window.from > last)) return this.again();
    if (data.length === 0) return false;
    await this.understand(data);
    this.store.add(this.node, data);
    const newest = data.at(-1).timestamp;
    let records = 0;
    while (records < data.length && data[data.length - 1 - records].timestamp === newest) records += 1;
    this.store.setWindow(this.node, { from: window.from, to: newest }, records);
    this.store.trim();
    this.on.data();
    return true;
  }

  async again() {
    this.store.clear(this.node);
    this.queue.clear();
    return this.first();
  }

  /** Asks for the history of these series, which are seen now, soon. What is no longer seen is not waited for. */
  want(list) {
    const seen = new Set(list);
    for (const series of this.queue) {
      if (seen.has(series)) continue;
      this.queue.delete(series);
      series.loaded = series.short;
    }
    for (const series of list) {
      if (series.node !== this.node || (series.loaded && !(series.short && list.length <= FEW))) continue;
      if (this.queue.has(series)) continue;
      series.loaded = true;
      this.queue.add(series);
    }
    if (this.queue.size > 0 && this.known && !this.fetching) this.wake?.();
  }

  /** The histories that were asked for, a few names at a time. */
  async histories() {
    this.fetching = true;
    try {
      while (this.queue.size > 0) {
        const { list, parameters, count } = this.batch();
        try {
          await this.history(parameters, count);
        } catch (error) {
          // Asked for again when seen again.
          for (const series of list) series.loaded = false;
          throw error;
        }
      }
    } finally {
      this.fetching = false;
    }
  }

  /** What is asked for next: several names with all their label sets; or of one that has too many, those that are wanted. */
  batch() {
    const [first] = this.queue;
    const generations = this.generations(this.store.node(this.node));
    const named = (series) => this.store.named(this.node, series.name);
    const isWide = (series) => named(series).length * series.recordNames().length * generations > WHOLE;
    const wide = isWide(first);
    const wanted = [...this.queue].filter(({ name }) => name === first.name).length;
    if (wide && first.labels.length && wanted <= FEW) return this.labelled(first, named(first));
    const [list, names] = [[], []];
    let length = 0;
    for (const series of this.queue) {
      // A wide one comes alone, so that it takes nothing of the length of others.
      if (list.length && (wide || isWide(series))) break;
      const records = series.recordNames();
      const more = records.reduce((sum, record) => sum + record.length + 6, 0);
      if (names.length && (names.length + records.length > MOST_PATTERNS || length + more > MOST_QUERY)) break;
      if (!names.includes(records[0])) {
        names.push(...records);
        length += more;
      }
      for (const other of named(series)) {
        this.queue.delete(other);
        Object.assign(other, { loaded: true, short: wide });
        list.push(other);
      }
    }
    const count = list.reduce((sum, series) => sum + series.recordNames().length, 0);
    return { list, parameters: names.map((name) => ["name", name]), count };
  }

  /** Of two keys with two values each four label sets come, which is more than was wanted and no harm. */
  labelled(first, alike) {
    const keys = ({ kind, labels }) => JSON.stringify([kind, labels.map(([key]) => key)]);
    const names = first.recordNames().map((name) => ["name", name]);
    const wanted = new Map();
    const patterns = [];
    const list = [];
    let length = names.reduce((sum, [, name]) => sum + name.length + 6, 0);
    const fits = (more) => patterns.length + more.length <= MOST_PATTERNS && length + cost(more) <= MOST_QUERY;
    for (const series of this.queue) {
      if (series.name !== first.name || keys(series) !== keys(first)) continue;
      const more = series.labels.map(pattern).filter(({ key, value }) => !wanted.get(key)?.has(value));
      if (list.length && !fits(more)) break;
      while (!fits(more)) more.pop();
      length += cost(more);
      patterns.push(...more);
      for (const { key, value } of more) wanted.set(key, (wanted.get(key) ?? new Set()).add(value));
      this.queue.delete(series);
      series.short = false;
      list.push(series);
    }
    // A star stands for any text: then all may come.
    const some = patterns.every(({ value }) => !value.includes("*"));
    const comes = ({ labels }) => [...wanted].every(([key, values]) => labels.some((label) => label[0] === key && values.has(label[1])));
    const count = (some ? alike.filter(comes) : alike).length * names.length;
    return { list, parameters: [...names, ...patterns.map(({ parameter, text }) => [parameter, text])], count };
  }

  /** What came before, for these records or for all; no more of it than a page can take. */
  async history(parameters, count) {
    const { interval, from, to } = this.store.node(this.node);
    if (to === null) return;
    const depth = Math.max(5, Math.floor((4 * WHOLE) / Math.max(1, count)));
    const start = Math.max(from ?? 0, to - depth * Math.max(1, interval)) - 1;
    const { data } = await this.records([["history", "1"], ["start-time", start], ...parameters], this.peer ? PEER_PAGE : PAGE);
    const all = data.filter(({ timestamp }) => timestamp <= to);
    await this.understand(all);
    this.store.addHistory(this.node, all);
    this.on.data();
  }
}

/** A label as the endpoint is asked for it. Of a long value the beginning will do. */
function pattern([key, whole]) {
  const value = encodeURIComponent(whole).length > 300 ? `${[...whole].slice(0, 30).join("")}*` : whole;
  return key === "object" ? { key, value, parameter: "id", text: value } : { key, value, parameter: "label", text: `${key}=${value}` };
}

function cost(patterns) {
  return patterns.reduce((sum, { text }) => sum + encodeURIComponent(text).length + 7, 0);
}
