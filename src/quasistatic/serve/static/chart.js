// Charts by uPlot, in the page's colours.

import { h } from "./dom.js";
import { number } from "./words.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

export const COLOURS = ["#2a7fb0", "#d08a1d", "#4d9a5b", "#b1545a", "#7d68b8", "#7d8a97"];

/** Pixels of a chart's title and edges, which with its height are kept free before it is drawn. */
const HEAD = 52;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axis(label) {
  return {
    label,
    labelSize: label ? 22 : 0,
    labelFont: "12px system-ui, sans-serif",
    font: "12px system-ui, sans-serif",
    stroke: () => colour("--soft"),
    grid: { stroke: () => colour("--line"), width: 1 },
    ticks: { stroke: () => colour("--line"), width: 1 },
    values: (_, values) => values.map((value) => (value === null ? "" : number(value, 4))),
    size: 58,
  };
}

/**
 * A chart of lines over shared places.
 * @param {string} title
 * @param {number[]} places
 * @param {{label: string, values: (number|null)[], points?: boolean, dash?: number[], colour?: string, width?: number,
 *     gaps?: boolean}[]} lines  a line with `gaps` is broken where it has no value
 * @param {object} options  `bands`: pairs of lines with the ground between them coloured; `legend`: its lines, else all;
 *     `shade`: gives the two places between which the ground is coloured; `onSelect`: gets two places that were dragged over
 */
export function chart(title, places, lines, options = {}) {
  const { x = "", y = "", log = false, height = 240, fixed = null, bars = false, bands = [], shade = null, onSelect = null } = options;
  const element = h("figure", { class: "chart", role: "img", "aria-label": title, style: { "min-height": `${height + HEAD}px` } },
    h("h3", {}, title));
  const own = (line, i) => line.colour ?? COLOURS[i % COLOURS.length];
  const settings = {
    width: 600,
    height,
    legend: { live: true, show: options.legend ?? (lines.length > 1 && lines.length < 7) },
    cursor: { drag: { x: true, y: false, setScale: onSelect === null } },
    bands: bands.map(([high, low, i]) => ({ series: [high + 1, low + 1], fill: `${COLOURS[i % COLOURS.length]}33` })),
    hooks: {
      drawClear: shade ? [(plot) => shaded(plot, shade())] : [],
      setSelect: onSelect ? [(plot) => selected(plot, onSelect)] : [],
    },
    scales: { x: { time: false, ...(bars ? { range: (_plot, low, high) => padded(low, high, places.length) } : {}) }, y: { distr: log ? 3 : 1, ...(fixed ? { range: fixed } : {}) } },
    axes: [{ ...axis(x), size: 34 }, axis(y)],
    series: [
      { label: x && x.length < 24 ? x : "x", value: (_, v) => number(v, 6) },
      ...lines.map((line, i) => ({
        label: line.label,
        stroke: own(line, i),
        width: line.width ?? 2,
        dash: line.dash,
        fill: bars ? `${own(line, i)}66` : undefined,
        paths: bars ? uPlot.paths.bars({ size: [0.9, 100] }) : undefined,
        points: { show: Boolean(line.points) || places.length < 3, size: 6, fill: own(line, i) },
        spanGaps: !line.gaps,
        value: (_, v) => number(v, 5),
      })),
    ],
  };
  return mounted(element, settings, [places, ...lines.map((line) => line.values)]);
}

/** Room for half a bar at both ends. */
function padded(low, high, count) {
  const half = count > 1 ? (high - low) / (count - 1) / 2 : 0.5;
  return [low - half, high + half];
}

/** Colour the ground between two places. */
function shaded(plot, [first, last]) {
  const [left, right] = [first - 0.5, last + 0.5].map((place) => plot.valToPos(place, "x", true));
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = "rgb(224 159 62 / 30%)";
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
  ctx.restore();
}

function selected(plot, onSelect) {
  const { left, width } = plot.select;
  if (width < 2) return;
  onSelect(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  plot.redraw();
}

/** Points in a plane. */
export function scatter(values, { size = null, ends = null } = {}) {
  const element = h("figure", { class: "chart points", role: "img", "aria-label": `${values.length} points` });
  const order = [...values].sort((one, other) => one[0] - other[0]);
  const range = ends ?? square(values);
  const options = {
    width: 400,
    height: size ?? 400,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false, range: () => range[0] }, y: { range: () => range[1] } },
    axes: size && size < 100 ? [{ show: false }, { show: false }] : [{ ...axis(""), size: 30 }, { ...axis(""), size: 44 }],
    series: [{}, { width: 0, stroke: COLOURS[0], points: { show: true, size: 4, fill: COLOURS[0], width: 0 } }],
  };
  return mounted(element, options, [order.map((p) => p[0]), order.map((p) => p[1])]);
}

/** Equal reach in both directions, around the middle of nearly all points. */
export function square(values) {
  const middle = [0, 1].map((k) => {
    const own = values.map((p) => p[k]).sort((a, b) => a - b);
    return [own[Math.floor(own.length * 0.005)], own[Math.ceil(own.length * 0.995) - 1]];
  });
  const reach = Math.max(...middle.map(([low, high]) => high - low)) * 0.56 || 1;
  return middle.map(([low, high]) => [(low + high) / 2 - reach, (low + high) / 2 + reach]);
}

/** Draw when the element has its width, and again when that changes. */
function mounted(element, options, data) {
  let plot = null;
  new ResizeObserver(() => {
    if (!element.isConnected) return;
    const style = getComputedStyle(element);
    const width = Math.floor(element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
    if (width < 20) return;
    const height = element.classList.contains("points") ? width : options.height;
    if (plot === null) element.plot = plot = new uPlot({ ...options, width, height }, data, element);
    else if (plot.width !== width) plot.setSize({ width, height });
  }).observe(element);
  return element;
}
