// The part of a metric that is shown, and its granularity: never more points than a chart has room for.

const HOUR = 3600;
const DAY = 24 * HOUR;
export const RANGES = { "1h": HOUR, "1d": DAY, "1w": 7 * DAY, "1mo": 30 * DAY, "1y": 365 * DAY, "5y": 5 * 365 * DAY };
/** So many points are asked for at most, a few at the ends aside. */
export const MOST = 1200;

/** Seconds of `0:01:00`, `1 day, 0:00:00`, `365 days, 0:00:00`, or of a number; `Infinity` for what has no end. */
export function seconds(span) {
  if (span === null || span === undefined) return Infinity;
  if (typeof span === "number") return span;
  const found = /^(?:(\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(span);
  if (!found) return Number(span) || Infinity;
  const [days, hours, minutes, rest] = found.slice(1).map((part) => Number(part ?? 0));
  return days * DAY + hours * HOUR + minutes * 60 + rest;
}

/** Definitions of a policy as numbers, the finest first. */
export function definitions(policy) {
  const all = policy.definition.map(({ granularity, timespan, points }) => ({ granularity: seconds(granularity), timespan: seconds(timespan), points }));
  return all.sort((a, b) => a.granularity - b.granularity);
}

/** Aggregations of which several are brought together by the same aggregation. */
const SUMMED = ["mean", "max", "min", "sum", "first", "last"];
/** So many points the archive brings together for one that is drawn. */
const TOGETHER = 8;

/**
 * Chooses a request that shows a range: the finest granularity that reaches back to its beginning, brought together as `resample` says where that
 * is more than `MOST` points, and a coarser one where it is far more.
 */
export function choose(all, { from, to, last, method }) {
  const reaches = ({ timespan }) => last - timespan <= from;
  const length = Math.max(1, to - from);
  const most = SUMMED.includes(method) ? MOST * TOGETHER : MOST;
  const fits = all.filter(({ granularity }) => length / granularity <= most);
  const found = fits.find(reaches) ?? fits.at(-1) ?? all.at(-1);
  const over = length / found.granularity / MOST;
  const resample = over > 1 ? Math.ceil(over) * found.granularity : null;
  return { granularity: found.granularity, resample };
}

/** The aggregations that are drawn: one line, and a band around it where the policy has both of its borders. */
export function drawn(methods, wanted) {
  const line = methods.includes(wanted) ? wanted : methods.includes("mean") ? "mean" : methods[0];
  const band = ["mean", "median", "last"].includes(line) && methods.includes("max") && methods.includes("min") ? ["max", "min"] : [];
  return { line, band };
}

/** The parameters of a request for measures. */
export function query({ from, to, granularity, resample, method }) {
  const parts = { start: from, stop: to, granularity, aggregation: method, ...(resample ? { resample } : {}) };
  return new URLSearchParams(parts).toString();
}

/** Measures as a curve. Where buckets are missing it has a gap. */
export function curve(measures) {
  const [t, v] = [[], []];
  for (const [at, granularity, value] of measures) {
    const time = Date.parse(at) / 1000;
    if (t.length && time - t.at(-1) > granularity * 1.5) {
      t.push(t.at(-1) + granularity);
      v.push(null);
    }
    t.push(time);
    v.push(value);
  }
  return { t, v };
}
