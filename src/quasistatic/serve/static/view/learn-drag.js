// The schedule as a curve to drag: ᾱ(t) at eight times; between them its logarithm is straight.

import { draw, h } from "../dom.js";
import { handle } from "../handle.js";
import { number, t } from "../words.js";

const [WIDTH, HEIGHT, LEFT, TOP, KNOTS, PIECES] = [420, 210, 34, 10, 8, 5];
const [INNER, TALL, LEAST] = [WIDTH - LEFT - 14, HEIGHT - TOP - 30, 1e-5];

/** A curve whose handles make a table of β, which `ended` gets as a text. `show` moves it to another schedule. */
export function dragged(ended) {
  const sheet = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "group", "aria-label": t("noise.drag") });
  const line = draw("polyline", { class: "line" });
  const values = new Array(KNOTS).fill(1).map((_, k) => 1 - (k + 1) / KNOTS);
  const x = (time) => LEFT + INNER * time;
  const y = (kept) => TOP + TALL * (1 - kept);
  const bounded = (k, value) => {
    const above = k === 0 ? 1 : values[k - 1];
    const below = k === KNOTS - 1 ? LEAST : values[k + 1] * 1.001;
    return Math.min(above * 0.999, Math.max(below, value));
  };
  const move = (k, value) => {
    values[k] = bounded(k, value);
    redraw();
  };
  const end = () => ended(table());
  const handles = values.map((_, k) => handle(sheet, t("noise.knot", { t: number((k + 1) / KNOTS, 3) }), {
    drag: (_x, place) => move(k, 1 - (place - TOP) / TALL), step: (way) => move(k, values[k] + 0.02 * way), end,
  }));

  /** β of each of the steps between the handles: all steps of a piece keep the same share. */
  function betas() {
    return values.flatMap((value, k) => {
      const share = (value / (k === 0 ? 1 : values[k - 1])) ** (1 / PIECES);
      return new Array(PIECES).fill(1 - share);
    });
  }

  const table = () => betas().map((beta) => beta.toPrecision(6)).join(" ");

  function redraw() {
    let kept = 1;
    const steps = betas();
    const places = steps.map((beta, i) => {
      kept *= 1 - beta;
      return `${x((i + 1) / steps.length)},${y(kept)}`;
    });
    line.setAttribute("points", [`${x(0)},${y(1)}`, ...places].join(" "));
    handles.forEach((one, k) => one.at(x((k + 1) / KNOTS), y(values[k]), Number(values[k].toFixed(3))));
  }

  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((one) => [
    draw("line", { x1: x(0), x2: x(1), y1: y(one), y2: y(one), class: "rule" }),
    draw("text", { x: LEFT - 6, y: y(one) + 4, class: "left" }, number(one)),
    draw("text", { x: x(one), y: HEIGHT - 10, class: "below" }, number(one)),
  ]);
  sheet.append(...grid, line, ...handles.map((one) => one.element));
  redraw();
  return {
    element: h("figure", { class: "box drag" }, h("h3", {}, t("noise.drag")), sheet, h("p", { class: "small soft" }, t("noise.drag.how"))),
    /** Move to a schedule, given as ᾱ at evenly spaced times from 0 to 1. */
    show(kept) {
      for (let k = 0; k < KNOTS; k++) values[k] = Math.max(LEAST, kept[Math.round(((k + 1) / KNOTS) * (kept.length - 1))]);
      for (let k = 1; k < KNOTS; k++) values[k] = Math.min(values[k], values[k - 1] * 0.999);
      redraw();
    },
  };
}
