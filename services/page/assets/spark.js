// The small curve of a row: a line, over it nothing, under it for timers the bands of the quantiles.

import { colour, faint, prepare } from "./dom.js";

/** `curves` are `{ t, v }` from below to above; with more than one, the room between them is filled. */
export function spark(canvas, curves, kind, from, to) {
  const ready = prepare(canvas);
  if (!ready) return;
  const { context, width, height } = ready;
  const [top, bottom, right] = [4, 4, 5];
  let [least, most] = [Infinity, -Infinity];
  for (const { v } of curves) for (const value of v) if (value !== null) [least, most] = [Math.min(least, value), Math.max(most, value)];
  if (least > most) return;
  // Quantiles far apart are seen on a logarithmic scale only.
  const logarithmic = isLogarithmic(curves.length, least, most);
  if (logarithmic) [least, most] = [Math.log(least), Math.log(most)];
  // Curves that hardly move shall not look as if they did; those near 0 begin there.
  else if (least > 0 && least < most * 0.6) least = 0;
  if (least === 0 && most === 0) most = 1;
  else if (most - least < Math.abs(most) * 1e-3) {
    const margin = Math.abs(most) * 0.5;
    [least, most] = [least - margin, most + margin];
  }
  const x = (t) => ((t - from) / (to - from || 1)) * (width - right);
  const y = (v) => height - bottom - (((logarithmic ? Math.log(v) : v) - least) / (most - least)) * (height - top - bottom);
  context.lineJoin = "round";
  const main = curves[0];
  for (let i = curves.length - 1; i > 0; i -= 1) band(context, curves[i - 1], curves[i], x, y, faint(kind, i === 1 ? 0.24 : 0.13));
  if (curves.length === 1) band(context, null, main, x, (v) => (v === undefined ? height : y(v)), faint(kind, 0.1));
  context.strokeStyle = colour(kind);
  context.lineWidth = 1.5;
  context.beginPath();
  let open = false;
  for (let i = 0; i < main.t.length; i += 1) {
    if (main.v[i] === null) open = false;
    else if (open) context.lineTo(x(main.t[i]), y(main.v[i]));
    else context.moveTo(x(main.t[i]), y(main.v[i])), (open = true);
  }
  context.stroke();
  const last = main.t.length - 1;
  if (last >= 0 && main.v[last] !== null) {
    context.fillStyle = colour(kind);
    context.beginPath();
    context.arc(x(main.t[last]), y(main.v[last]), 2.25, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Whether quantiles, from the least to the greatest value, need a logarithmic scale. */
export function isLogarithmic(curves, least, most) {
  return curves > 1 && least > 0 && most > 12 * least;
}

/** Fills the room between two curves of the same times, or below one. */
function band(context, lower, upper, x, y, fill) {
  context.fillStyle = fill;
  const floor = y(undefined);
  for (let start = 0; start < upper.t.length; ) {
    if (upper.v[start] === null) {
      start += 1;
      continue;
    }
    let end = start;
    while (end < upper.t.length && upper.v[end] !== null) end += 1;
    context.beginPath();
    for (let i = start; i < end; i += 1) context.lineTo(x(upper.t[i]), y(upper.v[i]));
    for (let i = end - 1; i >= start; i -= 1) {
      const below = lower ? lower.v[i] : undefined;
      context.lineTo(x(upper.t[i]), below === undefined || below === null ? (lower ? y(upper.v[i]) : floor) : y(below));
    }
    context.closePath();
    context.fill();
    start = end;
  }
}
