// Addresses: `#/` is the list, `#/metric/<name>?<label>=<value>` one metric. What is chosen on the page is in the address too, so that
// a link shows the same to a colleague. Keys of labels never begin with a dot; those of the page do.

const PAGE = { ".q": "q", ".range": "range", ".by": "by", ".as": "as", ".show": "show", ".node": "node" };
export const DEFAULTS = { q: "", range: "30m", by: "logger", as: "rate", show: "", node: "" };

export function parse(hash) {
  const text = hash.replace(/^#\/?/, "");
  const at = text.indexOf("?");
  const [path, query] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  const state = { ...DEFAULTS, metric: null, labels: [] };
  for (const [key, value] of new URLSearchParams(query)) {
    if (Object.hasOwn(PAGE, key)) state[PAGE[key]] = value;
    else if (!key.startsWith(".")) state.labels.push([key, value]);
  }
  const name = path.startsWith("metric/") ? path.slice("metric/".length) : "";
  if (name) state.metric = decode(name);
  return state;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function format(state) {
  const query = new URLSearchParams(state.metric === null ? [] : state.labels);
  for (const [key, name] of Object.entries(PAGE)) {
    if (name === "show" && state.metric === null) continue;
    if (state[name] !== DEFAULTS[name]) query.append(key, state[name]);
  }
  const text = query.toString();
  const path = state.metric === null ? "" : `metric/${encodeURIComponent(state.metric)}`;
  return `#/${path}${text ? `?${text}` : ""}`;
}

/** Seconds of a range: `5m`, `30m`, `all`. */
export function seconds(range) {
  const minutes = /^(\d{1,5})m$/.exec(range);
  return minutes ? Number(minutes[1]) * 60 : Infinity;
}
