// The page: what is chosen stands in the address; whatever comes in, or is chosen, draws what is seen.

import { Cardinality } from "./cardinality.js";
import { Source } from "./client.js";
import { Store } from "./data.js";
import { Detail } from "./detail.js";
import { forgetColours, h, setText } from "./dom.js";
import { grouped, nodeOf, parse as parseFilter, toggled, withNode } from "./filter.js";
import { clock } from "./format.js";
import { Health } from "./health.js";
import { List } from "./list.js";
import { DEFAULTS, format, parse, seconds } from "./route.js";
import { askForToken, stored } from "./token.js";

const find = (id) => document.getElementById(id);
const [search, range, by, node, main] = ["search", "range", "by", "node", "main"].map(find);
const store = new Store();
let state = parse(location.hash);
let shape = null;
let scrolled = 0;
let opened = null;
/** What was searched for, and how it was grouped, when the list was last seen. */
let listed = { q: DEFAULTS.q, by: DEFAULTS.by };
const toList = () => ({ ...state, metric: null, labels: [], show: "", node: "", ...listed });

const base = new URL("../", import.meta.url);
/** The other nodes, by name. */
const peers = new Map();
const sources = () => [source, ...peers.values()];
const source = new Source({
  base,
  store,
  token: stored(),
  on: {
    data: schedule,
    state: connection,
    token: (message) => askForToken(message, (token) => sources().forEach((each) => each.setToken(token))),
    cluster,
  },
});
const health = new Health(find("health-tiles"), store);
const cardinality = new Cardinality(find("cardinality"), store);
const list = new List({
  scroller: main,
  rows: find("rows"),
  store,
  on: {
    seen,
    label: (key, value) => go({ ...state, q: toggled(state.q, key, value) }),
    node: (name) => go({ ...state, q: withNode(state.q, nodeOf(state.q) === name ? "" : name) }),
  },
});
const detail = new Detail({ root: find("detail"), store, on: { seen, go } });

function seen(list) {
  for (const each of sources()) each.want(list);
}

/** Which nodes there are: each is asked through our own. */
function cluster({ node: own, nodes, hidden }) {
  health.hidden = hidden;
  setText(find("host"), nodes.length ? `node ${own} · ${location.host}` : location.host);
  const names = new Set(nodes.map(({ name }) => name));
  for (const [name, peer] of peers) {
    if (names.has(name)) continue;
    peer.stop();
    peers.delete(name);
    store.clear(name, true);
  }
  for (const state of nodes) {
    const { name } = state;
    store.node(name).state = state;
    if (peers.has(name)) continue;
    const peer = new Source({ base, node: name, store, token: source.token, on: { data: schedule, state: schedule, token() {} } });
    peers.set(name, peer);
    peer.start();
  }
}

/** Changes the address, without a step in the browser's history unless another metric is shown. */
function go(next) {
  const address = format(next);
  if (address === location.hash || (address === "#/" && location.hash === "")) return;
  if (next.metric === state.metric) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  arrive();
}

function arrive() {
  const before = state;
  state = parse(location.hash);
  if (state.metric === null) listed = { q: state.q, by: state.by };
  if (before.metric === null && state.metric !== null) {
    scrolled = main.scrollTop;
    opened = document.activeElement?.getAttribute("href");
  }
  for (const [control, value] of [[search, state.q], [by, state.by], [node, nodeOf(state.q)]]) if (control.value !== value) control.value = value;
  for (const group of [range, find("as")]) {
    for (const button of group.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === state[group.id]));
  }
  show(before);
}

/** Either the list or one metric. */
function show(before) {
  const one = state.metric !== null;
  find("overview").hidden = one;
  find("detail").hidden = !one;
  document.body.classList.toggle("one", one);
  document.title = one ? `${state.metric} · ferrometer` : "ferrometer";
  find("own").href = Health.link(state);
  shape = null;
  draw();
  if (one && before?.metric !== state.metric) {
    main.scrollTop = 0;
    if (before) find("detail").querySelector("h1")?.focus({ preventScroll: true });
  }
  if (!one && before && before.metric !== null) {
    detail.close();
    main.scrollTop = scrolled;
    list.render();
    const links = [...find("rows").querySelectorAll("a.name")];
    (links.find((link) => link.getAttribute("href") === opened) ?? find("rows-title"))?.focus({ preventScroll: true });
  }
}

let frame = null;
function schedule() {
  frame ??= requestAnimationFrame(() => {
    frame = null;
    draw();
  });
}

function draw() {
  const { to } = store;
  if (to === 0) return;
  find("waiting").hidden = true;
  const room = Math.min(seconds(state.range), Math.max(60, to - store.from));
  const view = { state, from: to - room, to };
  setText(find("clock"), clock(to));
  health.update(store.series.size, source.node);
  if (state.metric === null) cardinality.update();
  if (state.metric !== null) {
    detail.update({ ...view, back: format(toList()) });
    return;
  }
  list.setView(view);
  if (shape !== store.shape) {
    shape = store.shape;
    const all = [...store.series.values()];
    const matches = parseFilter(state.q);
    const found = all.filter(matches);
    groupings(all);
    list.setGroups(grouped(found, state.by));
    const text = found.length === all.length ? `${all.length} metrics` : `${found.length} of ${all.length} metrics`;
    setText(find("count"), text);
    find("none").hidden = found.length > 0;
  } else {
    list.render();
  }
}

/** Groups by whatever labels there are. */
function groupings(all) {
  const keys = [...new Set(all.flatMap(({ labels }) => labels.map(([key]) => key)))].sort().slice(0, 50);
  const several = [...store.nodes.keys()].filter(Boolean).sort();
  const values = ["logger", "kind", ...(several.length ? ["node"] : []), "none", ...keys.map((key) => `label:${key}`)];
  if (!values.includes(state.by)) values.push(state.by);
  const options = (select) => JSON.stringify([...select.options].map(({ value }) => value));
  node.parentElement.hidden = several.length === 0;
  if (JSON.stringify(["", ...several]) !== options(node)) {
    node.replaceChildren(...["", ...several].map((value) => h("option", { value }, value || "all")));
    node.value = nodeOf(state.q);
  }
  if (JSON.stringify(values) === options(by)) return;
  by.replaceChildren(...values.map((value) => h("option", { value }, value.startsWith("label:") ? `label ${value.slice(6)}` : value === "none" ? "nothing" : value)));
  by.value = state.by;
}

function connection(next) {
  const element = find("connection");
  element.className = next.name;
  const text = { connecting: "Connecting", live: "Live", token: "A token is needed" }[next.name];
  if (text) {
    setText(find("connection-text"), text);
    element.removeAttribute("title");
    return;
  }
  element.title = next.message;
  setText(find("waiting"), `No answer yet (${next.message}). Trying again.`);
  setText(find("connection-text"), "Connection lost, trying again");
}

const typed = () => go({ ...state, q: search.value });
search.addEventListener("input", typed);
search.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && search.value !== "") {
    event.stopPropagation();
    search.value = "";
    typed();
  }
  if (event.key === "ArrowDown" || event.key === "Enter") {
    const first = find("rows").querySelector(".row a.name");
    if (first) event.preventDefault(), first.focus();
  }
});
by.addEventListener("change", () => go({ ...state, by: by.value }));
node.addEventListener("change", () => go({ ...state, q: withNode(state.q, node.value) }));
for (const group of [range, find("as")]) {
  group.addEventListener("click", ({ target }) => target.value && go({ ...state, [group.id]: target.value }));
}
find("clear").addEventListener("click", () => go({ ...state, q: DEFAULTS.q }));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("token").open || find("servers").open) return;
  const typing = event.target.matches?.("input, select, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    if (state.metric !== null) go(toList());
    search.focus();
    search.select();
  } else if (event.key === "Escape" && state.metric !== null) {
    go(toList());
  }
});

/** Light, dark, or as the system has it. */
const THEMES = ["auto", "light", "dark"];
function theme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  const button = find("theme");
  button.value = name;
  button.setAttribute("aria-label", `Colours: ${name === "auto" ? "as the system" : name}`);
  setText(button, { auto: "◐", light: "○", dark: "●" }[name]);
  forgetColours();
  schedule();
}
find("theme").addEventListener("click", ({ target }) => {
  const next = THEMES[(THEMES.indexOf(target.value) + 1) % THEMES.length];
  try {
    localStorage.setItem("ferrometer-theme", next);
  } catch {
    // Kept until the page is left.
  }
  theme(next);
});
let chosen = "auto";
try {
  chosen = localStorage.getItem("ferrometer-theme") ?? "auto";
} catch {
  // As the system has it.
}
theme(THEMES.includes(chosen) ? chosen : "auto");
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  forgetColours();
  schedule();
});
window.addEventListener("hashchange", arrive);
window.addEventListener("popstate", arrive);

if (document.body.dataset.servers === "yes") {
  import("./servers.js").then(({ Servers }) => new Servers({ base, token: () => source.token }));
}
setText(find("host"), location.host);
arrive();
source.start();
