// One source of records: an endpoint that is asked for what is new, again and again. Whatever happens on the way (no connection, no
// token, a program that began anew), it mends by itself.

/** So many records are fetched at once when the page opens; with more, the history of each metric is fetched when it is seen. */
const WHOLE = 60_000;
const PAGE = 20_000;
const MOST_PATTERNS = 32;
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
  /** `on.data()` after new records, `on.state(state)` when the connection changes, `on.token(message)` when a token is needed. */
  constructor({ base, node, store, token, on }) {
    Object.assign(this, { base, node, store, on });
    this.token = token;
    this.state = { name: "connecting" };
    this.queue = new Map();
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

  setToken(token) {
    this.token = token;
    this.wake?.();
  }

  setState(state) {
    this.state = state;
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
    for (;;) {
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
    const url = new URL(path, this.base);
    for (const [key, value] of parameters) url.searchParams.append(key, value);
    const headers = { Accept: "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (etag) headers["If-None-Match"] = etag;
    const { status, text, etag: tag } = await ask(url, headers);
    if (status === 304) return null;
    if (status === 401) throw new NeedsToken(this.token ? "This token is not known here." : "");
    if (status !== 200) throw new Error(reason(text, status));
    return { ...JSON.parse(text), etag: tag };
  }

  async catalog() {
    this.store.setCatalog(this.node, await this.get("v1/instruments"));
  }

  /** Records that the catalog does not know are newer than it. */
  async understand(records) {
    if (!this.store.knows(this.node, records)) await this.catalog();
  }

  /** Everything, when the page opens. */
  async first() {
    await this.catalog();
    const answer = await this.get("v1/metrics");
    const { data, window } = answer;
    await this.understand(data);
    this.store.add(this.node, data);
    this.store.setWindow(this.node, window, data.length);
    this.on.data();
    this.known = true;
    if (data.length * this.generations(window) <= WHOLE) {
      for (const series of this.store.series.values()) if (series.node === this.node) series.loaded = true;
      await this.history([], window.to);
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
    const answer = await this.get("v1/metrics", parameters, this.etagFor === last ? this.etag : null);
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
    this.store.clear();
    this.queue.clear();
    return this.first();
  }

  /** Asks for the history of these series, soon. */
  want(list) {
    for (const series of list) {
      if (series.loaded || series.node !== this.node) continue;
      series.loaded = true;
      this.queue.set(series.name, series);
    }
    if (this.queue.size > 0 && this.known && !this.fetching) this.wake?.();
  }

  /** The histories that were asked for, a few names at a time. */
  async histories() {
    this.fetching = true;
    try {
      while (this.queue.size > 0) {
        const names = [];
        let length = 0;
        for (const [name, series] of this.queue) {
          const records = series.recordNames();
          const more = records.reduce((sum, record) => sum + record.length + 6, 0);
          if (names.length && (names.length + records.length > MOST_PATTERNS || length + more > MOST_QUERY)) break;
          names.push(...records);
          length += more;
          this.queue.delete(name);
          for (const other of this.store.series.values()) if (other.name === name) other.loaded = true;
        }
        try {
          await this.history(names, this.store.node(this.node).to);
        } catch (error) {
          // Asked for again when seen again.
          const wanted = new Set(names);
          for (const series of this.store.series.values()) if (series.recordNames().some((name) => wanted.has(name))) series.loaded = false;
          throw error;
        }
      }
    } finally {
      this.fetching = false;
    }
  }

  /** What came before, for these records or for all; no more of it than a page can take. */
  async history(names, to) {
    if (to === null) return;
    const wanted = new Set(names);
    const { interval, from, records } = this.store.node(this.node);
    let count = names.length ? 0 : records;
    if (names.length) for (const { series } of this.store.tracks.values()) count += wanted.has(series.name) || series.recordNames().some((name) => wanted.has(name)) ? 1 : 0;
    const depth = Math.max(5, Math.floor((4 * WHOLE) / Math.max(1, count)));
    const start = Math.max(from ?? 0, to - depth * Math.max(1, interval)) - 1;
    const all = [];
    for (let after = null; ; ) {
      const parameters = [["history", "1"], ["start-time", start], ["limit", PAGE], ...names.map((name) => ["name", name])];
      if (after) parameters.push(["after", after]);
      const { data, next } = await this.get("v1/metrics", parameters);
      for (const record of data) if (record.timestamp <= to) all.push(record);
      if (!next || data.at(-1).timestamp > to) break;
      after = next;
    }
    await this.understand(all);
    this.store.addHistory(this.node, all);
    this.on.data();
  }
}
