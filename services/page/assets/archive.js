// The page of an archive: what is listed, and what is open, stands in the address; only what is seen is asked for.

import { Api } from "./archive_api.js";
import { Metric } from "./archive_metric.js";
import { definitions } from "./archive_range.js";
import { h, setText } from "./dom.js";
import { bytes, length } from "./archive_format.js";
import { joined, number } from "./format.js";

const find = (id) => document.getElementById(id);
const [search, list, detail, fault] = ["search", "archive-list", "detail", "fault"].map(find);
/** Rows of one page of a list. */
const ROWS = 50;
/** Milliseconds between two looks at the backlog, and after a key before it is searched. */
const LOOK = 5000;
const TYPED = 200;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const api = new Api(new URL(document.body.dataset.api, location.href).href.replace(/\/$/, ""));
let state = {};
let asked = null;
let open = null;

/** `#/metric?q=cpu`, `#/resource/UUID`, `#/metric/UUID?range=1d`. */
function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [kind, id = ""] = path.split("/");
  const known = ["metric", "resource", "policy"].includes(kind) ? kind : "metric";
  return { kind: known, id: decodeURIComponent(id), parameters: new URLSearchParams(query) };
}

export function address(kind, id = "", parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== null)).toString();
  return `#/${kind}${id ? `/${encodeURIComponent(id)}` : ""}${query ? `?${query}` : ""}`;
}

async function guarded(work) {
  asked?.abort();
  const mine = new AbortController();
  asked = mine;
  try {
    await work(mine.signal);
    if (asked === mine) setText(fault, "");
  } catch (error) {
    if (!mine.signal.aborted) setText(fault, `The archive does not answer: ${error.message}`);
  }
}

function arrive() {
  state = parse(location.hash);
  const q = state.parameters.get("q") ?? "";
  if (state.id === "" && search.value !== q) search.value = q;
  for (const button of find("kinds").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === state.kind));
  const one = state.kind === "metric" && state.id !== "";
  list.hidden = one;
  detail.hidden = !one;
  find("count").hidden = one;
  find("list-title").hidden = one;
  document.title = one ? "Metric · archive · ferrometer" : "Archive · ferrometer";
  if (one) {
    if (open?.id !== state.id) {
      open?.close();
      open = new Metric({ root: detail, api, id: state.id, go: (parameters) => history.replaceState(null, "", address("metric", state.id, parameters)), address });
    }
    guarded((signal) => open.show(state.parameters, signal));
    return;
  }
  open?.close();
  open = null;
  guarded(async (signal) => {
    if (state.kind === "policy") return policies(signal);
    if (state.kind === "resource" && state.id) return resource(state.id, signal);
    return found(q.trim(), signal);
  });
}

const link = (kind, id, text) => h("a", { href: address(kind, id) }, text);

function table(label, heads, rows) {
  const head = h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text))));
  return h("div", { class: "sets" }, h("table", { "aria-label": label, class: "plain" }, head, h("tbody", {}, rows)));
}

const row = (first, ...cells) => h("tr", {}, h("th", { scope: "row" }, first), cells.map((cell) => h("td", {}, cell)));

function metricRow(metric) {
  const resource = metric.resource_id ? link("resource", metric.resource_id, metric.resource_id.slice(0, 8)) : "";
  return row(link("metric", metric.id, metric.name ?? metric.id), metric.unit ?? "", metric.archive_policy?.name ?? "", resource);
}

function resourceRow(resource) {
  return row(link("resource", resource.id, resource.original_resource_id ?? resource.id), resource.type, String(Object.keys(resource.metrics ?? {}).length), resource.ended_at ? "ended" : "");
}

/** A page of metrics or resources, and a button for the next one. */
async function found(q, signal) {
  const metrics = state.kind === "metric";
  const [heads, make] = metrics ? [["name", "unit", "policy", "resource"], metricRow] : [["resource", "type", "metrics", "state"], resourceRow];
  const rows = [];
  let next = null;
  const fetched = async () => {
    if (metrics && UUID.test(q)) return { json: [await one(q, signal)].filter(Boolean), next: null };
    // Marks that stand for any text are taken as they are typed, as in the API.
    const like = q === "" ? "" : q.includes("%") ? q : `%${q}%`;
    if (metrics) return api.get(`/v1/metric?${next ?? new URLSearchParams({ limit: ROWS, sort: "name:asc", ...(like ? { name_like: like } : {}) })}`, { signal });
    const page = next ?? new URLSearchParams({ limit: ROWS, sort: "original_resource_id:asc" }).toString();
    if (like === "") return api.get(`/v1/resource/generic?${page}`, { signal });
    return api.get(`/v1/search/resource/generic?${page}`, { signal, body: { like: { original_resource_id: like } } });
  };
  const more = async () => {
    const answer = await fetched();
    if (signal.aborted) return;
    next = answer.next;
    rows.push(...answer.json.map(make));
    setText(find("count"), `${rows.length}${next ? " and more" : ""} ${metrics ? "metrics" : "resources"}`);
    const button = next ? h("button", { type: "button", class: "more-rows", onclick: () => guardedMore(more) }, "Show more") : null;
    list.replaceChildren(rows.length ? table(metrics ? "Metrics" : "Resources", heads, rows) : h("p", { class: "empty" }, "Nothing is called so."), ...(button ? [button] : []));
  };
  await more();
}

async function guardedMore(more) {
  try {
    await more();
  } catch (error) {
    setText(fault, `The archive does not answer: ${error.message}`);
  }
}

/** A metric by its id, in the form of a list. */
async function one(id, signal) {
  try {
    const { json } = await api.get(`/v1/metric/${id}`, { signal });
    return { ...json, resource_id: json.resource?.id ?? null };
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  }
}

async function resource(id, signal) {
  const path = `/v1/resource/generic/${encodeURIComponent(id)}`;
  const [{ json }, metrics] = await Promise.all([api.get(path, { signal }), api.get(`${path}/metric`, { signal })]);
  const hidden = ["metrics", "links", "creator", "created_by_user_id", "created_by_project_id", "revision_start", "revision_end"];
  const facts = Object.entries(json).filter(([key, value]) => value !== null && !hidden.includes(key));
  setText(find("count"), `${metrics.json.length} metrics`);
  list.replaceChildren(
    h("h2", {}, json.original_resource_id ?? id),
    h("dl", { class: "stats" }, facts.map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, String(value))))),
    table("Metrics of the resource", ["name", "unit", "policy", "resource"], metrics.json.map(metricRow)),
  );
}

/** Policies, and what a metric costs under each. */
async function policies(signal) {
  const { json } = await api.get("/v1/archive_policy?cost=true", { signal });
  const kept = (policy) => definitions(policy).map(({ granularity, timespan }) => `${length(granularity)} for ${timespan === Infinity ? "ever" : length(timespan)}`).join(", ");
  const rows = json.map((policy) => {
    const { aggregates, bytes: most } = policy.cost ?? {};
    const figure = (value, text) => (value === null || value === undefined ? "without end" : text(value));
    return row(policy.name, kept(policy), policy.aggregation_methods.join(" "), String(policy.back_window), figure(aggregates, (x) => joined(number(x))), figure(most, (x) => joined(bytes(x))));
  });
  setText(find("count"), `${rows.length} policies`);
  list.replaceChildren(table("Archive policies", ["name", "kept", "aggregations", "back window", "aggregates of a metric", "most bytes of a metric"], rows));
}

async function backlog() {
  if (!document.hidden) {
    try {
      const { json } = await api.get("/v1/status?details=false");
      const { metrics, measures } = json.storage.summary;
      setText(find("backlog"), measures === 0 ? "nothing waits" : `${joined(number(measures))} measures of ${joined(number(metrics))} metrics wait`);
    } catch (error) {
      // A caller who may not know how much waits sees the rest all the same.
      setText(find("backlog"), error.status === 403 ? "" : `what waits is not known: ${error.message}`);
      if (error.status === 403) return;
    }
  }
  setTimeout(backlog, LOOK);
}

let typing = null;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const kind = state.kind === "policy" ? "metric" : state.kind;
    const next = address(kind, "", { q: search.value });
    if (state.id === "") history.replaceState(null, "", next);
    else history.pushState(null, "", next);
    arrive();
  }, TYPED);
});
find("kinds").addEventListener("click", ({ target }) => {
  if (target.value) location.hash = address(target.value, "", target.value === "policy" ? {} : { q: search.value });
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.matches?.("input") && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});
window.addEventListener("hashchange", arrive);
window.addEventListener("popstate", arrive);
setText(find("host"), location.host);
arrive();
backlog();
