// Dates, and lengths of time over years.

import { clock, joined, quantity } from "./format.js";

const DAY = 86_400;
/** Steps of the axis below a curve; uPlot takes 30 days and more for months, and 365 for years. */
export const TICKS = [...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600], ...[1, 2, 7, 14, 30, 90, 180, 365, 730, 1825].map((days) => days * DAY)];

/** The label below a curve: a time of day, or a date. */
export function axis(t, step) {
  if (step >= DAY || clock(t) === "00:00:00") return day(t);
  return step < 60 ? clock(t) : clock(t).slice(0, 5);
}

/** A date and a time of day of a timestamp in seconds, as they are at this place. */
export function moment(seconds) {
  return `${day(seconds)} ${clock(seconds)}`;
}

/** The date of a timestamp in seconds. */
export function day(seconds) {
  const date = new Date(seconds * 1000);
  const two = (n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** A length of time in seconds, in the largest unit that it is a whole number of: `5 min`, `90 d`. */
export function length(seconds) {
  const [by, unit] = [[31_536_000, "y"], [86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([by]) => seconds >= by && seconds % by === 0) ?? [1, "s"];
  return joined([String(Math.round((seconds / by) * 1000) / 1000), unit]);
}

/** A size: `[number, unit]`. */
export function bytes(x) {
  return quantity(x, "bytes");
}
