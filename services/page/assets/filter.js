// A search: words that must all occur; `key=value` for labels, `kind:timer`, `unit:ms`, `node:b`; `-` before any of them for
// what must not occur; quotes around what has spaces.

/** A node's name is letters, digits and hyphens. */
const NODE = /^node:([A-Za-z0-9-]+)$/;

export function parse(text) {
  const terms = [];
  for (const [, minus, quoted, bare] of text.matchAll(/(-?)(?:"([^"]*)"?|([^\s"]\S*))/g)) {
    const term = quoted ?? bare;
    if (term === "" || term === undefined) continue;
    terms.push({ not: minus === "-", test: one(term) });
  }
  return (series) => terms.every(({ not, test }) => test(series) !== not);
}

function one(term) {
  const node = NODE.exec(term);
  if (node) return (series) => series.node === node[1];
  const special = /^(kind|unit):(.+)$/i.exec(term);
  if (special) {
    const wanted = special[2].toLowerCase().replace(/[_ ]/g, "");
    const found = (series) => (special[1].toLowerCase() === "kind" ? series.kind : series.unit);
    return (series) => found(series).toLowerCase().replace(/[_ ]/g, "").startsWith(wanted);
  }
  const at = term.indexOf("=");
  if (at > 0) {
    const [key, value] = [term.slice(0, at), term.slice(at + 1)];
    return (series) => series.labels.some((label) => label[0] === key && (value === "" || label[1] === value));
  }
  const word = term.toLowerCase();
  return (series) => series.haystack.includes(word);
}

/** The search with one more label in it; without it when it is there. */
export function toggled(text, key, value) {
  // Quotes cannot stand in quotes: such a value is searched for by its key.
  const plain = value.includes('"') ? `${key}=` : `${key}=${value}`;
  return toggledTerm(text, /\s/.test(plain) ? `"${plain}"` : plain);
}

/** The node that is searched for, or nothing. */
export function nodeOf(text) {
  return NODE.exec(text.split(/\s+/).find((term) => NODE.test(term)) ?? "")?.[1] ?? "";
}

/** The search for this node instead of another, or for all. */
export function withNode(text, node) {
  const rest = text.split(/\s+/).filter((term) => !NODE.test(term)).join(" ");
  return node ? `${rest} node:${node}`.trim() : rest;
}

function toggledTerm(text, term) {
  const padded = ` ${text.trim()} `;
  return padded.includes(` ${term} `) ? padded.replace(` ${term} `, " ").trim() : `${text.trim()} ${term}`.trim();
}

/** Series in groups, each group and its series in order. Those without the label come last, and ferrometer's own loggers. */
export function grouped(list, by) {
  const groups = new Map();
  for (const series of list) {
    const name = groupOf(series, by);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(series);
  }
  const own = (name) => (name === `no ${by.replace(/^label:/, "")}` || /(^|\.)ferrometer(\.|$)/.test(name) ? 1 : 0);
  const order = [...groups.keys()].sort((a, b) => own(a) - own(b) || a.localeCompare(b));
  return order.map((name) => ({ name, list: groups.get(name).sort((a, b) => compare(a, b)) }));
}

function compare(a, b) {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}

function groupOf(series, by) {
  if (by === "none") return "";
  if (by === "kind") return series.kind;
  if (by === "node") return `node ${series.node}`;
  if (by === "logger") return series.logger || series.name.split(".").slice(0, -1).join(".") || "without logger";
  const key = by.replace(/^label:/, "");
  const label = series.labels.find((label) => label[0] === key);
  return label ? `${key} = ${label[1]}` : `no ${key}`;
}
