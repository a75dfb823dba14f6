// Numbers for people: three or four figures, a unit that fits, thin spaces between thousands.

const MINUS = "\u2212";
const THIN = "\u202f";

const SI = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

/** `figures` significant figures, no exponent, no zeros at the end behind the point. */
function plain(x, figures) {
  const magnitude = x === 0 ? 0 : Math.floor(Math.log10(Math.abs(x)));
  const decimals = Math.max(0, Math.min(12, figures - 1 - magnitude));
  let text = Math.abs(x).toFixed(decimals);
  if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  const [whole, part] = text.split(".");
  const spaced = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, THIN) : whole;
  return (x < 0 && Number(text) !== 0 ? MINUS : "") + (part ? `${spaced}.${part}` : spaced);
}

/** A bare number: whole ones in full up to a million, others with three or four figures. Returns `[number, prefix]`. */
export function number(x, figures = 4, full = 1e6) {
  if (!Number.isFinite(x)) return ["–", ""];
  const size = Math.abs(x);
  if (size >= 1e18) return [x.toExponential(2).replace("-", MINUS).replace("e+", "e"), ""];
  if (size >= full || (size >= 1e5 && !Number.isInteger(x))) {
    const [by, prefix] = SI.find(([by]) => size >= by);
    return [plain(x / by, figures), prefix];
  }
  if (Number.isInteger(x)) return [plain(x, 16), ""];
  if (size < 1e-4) return [x.toExponential(1).replace("e-", `e${MINUS}`).replace(/^-/, MINUS), ""];
  return [plain(x, Math.max(figures, Math.floor(Math.log10(size)) + 1)), ""];
}

function scaled(x, table, figures = 3) {
  const size = Math.abs(x);
  const [by, unit] = table.find(([by]) => size >= by * 0.9995) ?? table.at(-1);
  return [plain(x / by, Math.max(figures, Math.floor(Math.log10(Math.max(size / by, 1))) + 1)), unit];
}

const TIMES = [[86_400_000, "d"], [3_600_000, "h"], [120_000, "min", 60_000], [1000, "s"], [1, "ms"], [1e-3, "µs"], [1e-6, "ns"]];
const BYTES = [[1e15, "PB"], [1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]];

/** How many milliseconds are one of these. */
const IN_MS = { ms: 1, milliseconds: 1, s: 1000, seconds: 1000, us: 1e-3, "µs": 1e-3, microseconds: 1e-3, ns: 1e-6, nanoseconds: 1e-6, minutes: 60_000, hours: 3_600_000, days: 86_400_000 };
const PER_HUNDRED = { ratio: 100, ratios: 100, percent: 1, "%": 1 };

/** A value in its unit: `[number, unit]`. */
export function quantity(x, unit) {
  if (x === null || x === undefined || !Number.isFinite(x)) return ["–", ""];
  if (unit === "timestamp") return [clock(x), ""];
  if (unit in IN_MS) {
    if (x === 0) return ["0", "ms"];
    const size = Math.abs(x * IN_MS[unit]);
    const [by, name, divide = by] = TIMES.find(([by]) => size >= by * 0.9995) ?? TIMES.at(-1);
    return [plain((x * IN_MS[unit]) / divide, 3), name];
  }
  if (unit === "bytes" || unit === "B" || unit === "byte") return x === 0 ? ["0", "B"] : scaled(x, BYTES);
  if (unit in PER_HUNDRED) return [plain(x * PER_HUNDRED[unit], 3), "%"];
  const [text, prefix] = number(x);
  return [text, unit ? (prefix ? `${prefix} ${unit}` : unit) : prefix];
}

/** A change per second: `[number, unit/s]`. */
export function rate(x, unit) {
  if (x === null || x === undefined || !Number.isFinite(x)) return ["–", ""];
  if (unit in IN_MS) unit = "";
  const short = Number(x.toPrecision(3));
  const [text, name] = unit ? quantity(short, unit) : number(short, 3, 1e5);
  return [text, `${name}/s`];
}

/** `[number, unit]` as one text. */
export function joined([text, unit]) {
  return unit ? `${text}${THIN}${unit}` : text;
}

/** A length of time in seconds, in words: `28 min`, `45 s`. */
export function span(seconds) {
  if (seconds < 120) return `${Math.round(seconds * 10) / 10}${THIN}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}${THIN}min`;
  return `${Math.round(seconds / 360) / 10}${THIN}h`;
}

/** The time of day of a timestamp in seconds. */
export function clock(seconds) {
  const date = new Date(seconds * 1000);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** How kinds are called. */
export const KINDS = { counter: "counter", gauge: "gauge", in_flight: "in flight", timer: "timer", histogram: "histogram" };
