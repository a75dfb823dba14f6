// The large chart of one metric: uPlot with the page's colours, numbers and keys.

import { colour, faint, h } from "./dom.js";
import { clock, joined } from "./format.js";

const uPlot = window.uPlot;
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400];

export class Chart {
  /** `describe(index)` says in words what stands at a time; it is shown, and read aloud. */
  constructor({ label, height, describe, zoomed, ticks = TICKS, time }) {
    this.plot = h("div", { class: "plot", tabindex: "0", role: "group", "aria-label": `${label}; arrow keys read the values` });
    this.readout = h("figcaption", { "aria-live": "off" });
    this.root = h("figure", {}, this.plot, this.readout);
    Object.assign(this, { height, describe, ticks, time, on: { zoom: zoomed } });
    this.zoom = null;
    this.index = null;
    this.plot.addEventListener("keydown", (event) => this.key(event));
    this.plot.addEventListener("blur", () => this.readout.setAttribute("aria-live", "off"));
    new ResizeObserver(() => this.chart?.setSize(this.size())).observe(this.plot);
  }

  size() {
    return { width: Math.max(200, this.plot.clientWidth), height: this.height };
  }

  /** Draws `lines` (`{ curve, name, colour, width, fill, dash }`), with `bands` between two of them: `[upper, lower, alpha]`. */
  draw({ lines, bands = [], value, from, to, logarithmic = false }) {
    const shape = JSON.stringify([logarithmic, lines.map(({ name, colour }) => [name, colour]), bands, document.documentElement.dataset.theme, colour("text")]);
    const data = align(lines.map(({ curve }) => curve));
    this.view = { from, to };
    this.data = data;
    this.value = value;
    if (shape !== this.shape) {
      this.shape = shape;
      this.chart?.destroy();
      this.chart = new uPlot(this.options(lines, bands, logarithmic), data, this.plot);
    } else {
      this.chart.setData(data, false);
    }
    this.scale();
    this.say();
  }

  scale() {
    const { from, to } = this.zoom ?? this.view;
    this.chart.setScale("x", { min: from, max: to });
  }

  options(lines, bands, logarithmic) {
    // On a logarithmic scale a line for each power of ten.
    const powers = (_, values) => values.map((v) => (!logarithmic || Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-6 ? v : null));
    const grid = { stroke: colour("line"), width: 1 };
    const axis = { stroke: colour("quiet"), font: "12px system-ui, sans-serif", grid, ticks: { show: false } };
    return {
      ...this.size(),
      padding: [12, 30, 0, 0],
      legend: { show: false },
      cursor: {
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
        bind: { dblclick: () => () => this.unzoom() },
      },
      scales: { x: { time: true }, y: logarithmic ? { distr: 3, log: 10 } : { range: (_, least, most) => room(least, most) } },
      axes: [
        { ...axis, grid: { show: false }, size: 28, gap: 6, space: 80, incrs: this.ticks, values: (_, times, __, ___, step) => times.map((t) => this.time?.(t, step) ?? (step < 60 ? clock(t) : clock(t).slice(0, 5))) },
        { ...axis, grid: { ...grid, filter: powers }, size: 74, space: 40, gap: 8, values: (_, values) => values.map((v) => (v === null ? null : this.tick(v))) },
      ],
      series: [
        {},
        ...lines.map(({ name, colour: c, width = 1.75, fill, dash }) => ({
          label: name,
          stroke: colour(c),
          width,
          dash,
          fill: fill ? faint(c, fill) : undefined,
          points: { show: (chart, at, first, last) => last - first < 3 },
        })),
      ],
      bands: bands.map(([upper, lower, alpha]) => ({ series: [upper + 1, lower + 1], fill: faint(lines[lower].colour, alpha) })),
      hooks: {
        setCursor: [(chart) => this.point(chart.cursor.idx)],
        setSelect: [(chart) => this.select(chart)],
      },
    };
  }

  /** A long unit stands beside the title alone. */
  tick(v) {
    const [text, unit] = this.value(v);
    return joined([text, unit.length > 6 ? "" : unit]);
  }

  select(chart) {
    const { left, width } = chart.select;
    if (width > 6) {
      this.zoom = { from: chart.posToVal(left, "x"), to: chart.posToVal(left + width, "x") };
      this.scale();
      this.on.zoom?.();
    }
    if (width > 0) chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  unzoom() {
    this.zoom = null;
    this.scale();
    this.on.zoom?.();
  }

  point(index) {
    this.index = index ?? null;
    this.say();
  }

  say() {
    const last = this.data[0].length - 1;
    const at = this.index !== null && this.index <= last ? this.index : last;
    const text = at >= 0 ? this.describe(at, this.data) : [];
    this.readout.replaceChildren(...text);
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (step === undefined || !this.chart) return;
    event.preventDefault();
    const times = this.data[0];
    const { min, max } = this.chart.scales.x;
    let at = Math.max(0, Math.min(times.length - 1, (this.index ?? times.length) + step));
    while (at > 0 && times[at] > max) at -= 1;
    while (at < times.length - 1 && times[at] < min) at += 1;
    if (times.length === 0) return;
    this.readout.setAttribute("aria-live", "polite");
    this.chart.setCursor({ left: this.chart.valToPos(times[at], "x"), top: this.size().height / 3 });
  }

  remove() {
    this.chart?.destroy();
    this.root.remove();
  }
}

/** One list of times for all curves. `undefined` is a time at which a curve says nothing, `null` one at which it has a gap. */
function align(curves) {
  const times = [...new Set(curves.flatMap(({ t }) => t))].sort((a, b) => a - b);
  const at = new Map(times.map((t, i) => [t, i]));
  const columns = curves.map(({ t, v }) => {
    const column = new Array(times.length).fill(undefined);
    t.forEach((time, i) => (column[at.get(time)] = v[i]));
    return column;
  });
  return [times, ...columns];
}

/** The range of the values: from 0 where that is near, with some room. */
function room(least, most) {
  if (least === null || least === undefined) return [0, 1];
  if (least >= 0 && least < most * 0.6) least = 0;
  if (most <= 0 && most > least * 0.6) most = 0;
  if (most - least <= Math.abs(most) * 1e-9) return most === 0 ? [0, 1] : [Math.min(0, most * 2), Math.max(0, most * 2)];
  const margin = (most - least) * 0.08;
  return [least === 0 ? 0 : least - margin, most === 0 ? 0 : most + margin];
}
