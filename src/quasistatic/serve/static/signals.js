// Signals of one or more channels: as small lines in a grid, each of which opens as a chart.

import { COLOURS, chart } from "./chart.js";
import { draw, h } from "./dom.js";
import { opened } from "./parts.js";
import { t } from "./words.js";

const [WIDTH, HEIGHT, CHANNELS_NAMED] = [160, 64, 6];

/** The least and the greatest value of some signals (channels, places). */
export function reach(all) {
  const flat = all.flat(2).filter((one) => one !== null);
  return [Math.min(...flat), Math.max(...flat)];
}

/** A signal as small lines, over a ground that is warm where `heat` (channels × places) is high. */
export function spark(channels, [low, high], heat = null) {
  const last = Math.max(1, channels[0].length - 1);
  const at = (value) => HEIGHT - 4 - ((HEIGHT - 8) * (value - low)) / (high - low || 1);
  const line = (values) => values.map((value, i) => (value === null ? "" : `${((WIDTH * i) / last).toFixed(1)},${at(value).toFixed(1)}`)).join(" ");
  return draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "spark", preserveAspectRatio: "none", "aria-hidden": true },
    heat ? ground(channels.length, channels[0].length, heat) : null,
    channels.map((values, i) => draw("polyline", { points: line(values), style: { stroke: COLOURS[i % COLOURS.length] } })));
}

function ground(channels, places, heat) {
  const sums = Array.from({ length: places }, (_, i) =>
    Array.from({ length: channels }, (_one, c) => Math.max(0, heat[c * places + i] ?? 0)).reduce((a, b) => a + b, 0));
  const most = Math.max(...sums, 1e-9);
  return sums.map((sum, i) => draw("rect", { x: (WIDTH * i) / places, width: WIDTH / places + 0.3, y: 0, height: HEIGHT, class: "warm",
    style: { opacity: (0.75 * sum) / most } }));
}

/** One line per channel in a chart. */
export function lines(channels, title, options = {}) {
  return chart(title, channels[0].map((_, i) => i), channels.map((values, i) => ({ label: t("signal.channel", { n: i + 1 }), values })),
    { x: t("signal.place"), legend: channels.length > 1 && channels.length <= CHANNELS_NAMED, ...options });
}

/** Signals in a grid; each opens as a chart. */
export function signals(values, { zoom = true, ends = reach(values), tile = 150, className = "" } = {}) {
  const item = (channels, i) => {
    const name = t("show.signal", { n: i + 1 });
    const small = spark(channels, ends);
    return zoom ? h("button", { type: "button", "aria-label": name, onclick: () => opened(name, lines(channels, name)) }, small) : small;
  };
  return h("div", { class: `grid signals ${className}`, style: { "--tile": `${tile}px` } }, values.map(item));
}
