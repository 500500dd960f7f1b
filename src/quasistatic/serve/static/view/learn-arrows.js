// The arrows of a Markov chain, to drag: along its arrow, a handle sets the probability; the others of the row give way.

import { draw, fill } from "../dom.js";
import { handle } from "../handle.js";
import { t } from "../words.js";

const [WIDTH, HEIGHT, NODE, NEAR, FAR] = [420, 340, 24, 0.12, 0.88];

/**
 * A drawing of the chain. `changed` is called with a row of probabilities as it changes, `ended` when the reader lets go.
 * `update` draws new names and probabilities.
 */
export function arrows(changed, ended) {
  const sheet = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "arrows", role: "group", "aria-label": t("chain.arrows") });
  let [names, matrix, chosen] = [[], [], 0];
  let parts = [];

  const place = (i) => {
    const angle = (2 * Math.PI * i) / names.length - Math.PI / 2;
    return [WIDTH / 2 + 112 * Math.cos(angle), HEIGHT / 2 + 104 * Math.sin(angle), angle];
  };

  /** The curve from one state to another as its four points; a loop leaves and comes back outside. */
  function curve(from, to) {
    const [x, y, angle] = place(from);
    if (from === to) {
      const out = (turn, reach) => [x + reach * Math.cos(angle + turn), y + reach * Math.sin(angle + turn)];
      return [out(-0.6, NODE), out(-0.75, 88), out(0.75, 88), out(0.6, NODE + 4)];
    }
    const [u, v] = place(to);
    const length = Math.hypot(u - x, v - y);
    const [a, b] = [(u - x) / length, (v - y) / length];
    const bend = (share) => [x + share * (u - x) - 30 * b, y + share * (v - y) + 30 * a];
    const edge = ([p, q], [r, s], gap) => {
      const far = Math.hypot(r - p, s - q);
      return [p + (gap * (r - p)) / far, q + (gap * (s - q)) / far];
    };
    return [edge([x, y], bend(0.33), NODE), bend(0.33), bend(0.67), edge([u, v], bend(0.67), NODE + 4)];
  }

  const point = (points, u) => [0, 1].map((k) =>
    [1, 3, 3, 1].reduce((sum, n, i) => sum + n * u ** i * (1 - u) ** (3 - i) * points[i][k], 0));

  function set(from, to, value) {
    const p = Math.round(100 * Math.min(1, Math.max(0, value))) / 100;
    const rest = matrix[from].reduce((sum, one, i) => sum + (i === to ? 0 : one), 0);
    const row = matrix[from].map((one, i) =>
      i === to ? p : rest > 0 ? (one * (1 - p)) / rest : (1 - p) / Math.max(1, names.length - 1));
    changed(from, names.length === 1 ? [1] : row);
  }

  function nearest(points, x, y) {
    let [best, found] = [Infinity, 0];
    for (let i = 0; i <= 100; i++) {
      const [u, v] = point(points, i / 100);
      const far = (u - x) ** 2 + (v - y) ** 2;
      if (far < best) [best, found] = [far, i / 100];
    }
    return (found - NEAR) / (FAR - NEAR);
  }

  function build() {
    parts = [];
    const lines = [];
    const handles = [];
    names.forEach((from, i) => names.forEach((to, j) => {
      const points = curve(i, j);
      const path = `M${points[0]} C${points[1]} ${points[2]} ${points[3]}`;
      const line = draw("path", { d: path, class: "arrow", "marker-end": "url(#arrow-head)" });
      lines.push(line);
      const part = { i, j, points, line };
      if (i === chosen) {
        part.handle = handle(sheet, t("chain.arrow", { from, to }), {
          drag: (x, y) => set(i, j, nearest(points, x, y)), step: (way) => set(i, j, matrix[i][j] + 0.05 * way), end: ended,
        });
        handles.push(part.handle.element);
      }
      parts.push(part);
    }));
    const nodes = names.map((name, i) => {
      const [x, y] = place(i);
      const choose = () => {
        chosen = i;
        build();
        sheet.querySelectorAll(".node")[i].focus();
      };
      return draw("g", {
        class: "node", tabindex: 0, role: "button", "aria-pressed": String(i === chosen), "aria-label": t("chain.choose", { name }),
        onclick: choose, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); } },
      }, draw("circle", { cx: x, cy: y, r: NODE }), draw("text", { x, y: y + 4 }, name.length > 7 ? `${name.slice(0, 6)}…` : name));
    });
    const head = draw("marker", { id: "arrow-head", viewBox: "0 0 10 10", refX: 8, refY: 5, markerWidth: 11, markerHeight: 11,
      markerUnits: "userSpaceOnUse", orient: "auto" }, draw("path", { d: "M0 1 L9 5 L0 9 z", class: "head" }));
    fill(sheet, draw("defs", {}, head), lines, nodes, handles);
    weigh();
  }

  function weigh() {
    for (const { i, j, points, line, handle: own } of parts) {
      const p = matrix[i][j];
      line.style.setProperty("stroke-width", `${1 + 5 * p}`);
      line.classList.toggle("none", p === 0);
      line.classList.toggle("chosen", i === chosen);
      own?.at(...point(points, NEAR + (FAR - NEAR) * Math.min(1, Math.max(0, p))), Number(p.toFixed(4)));
    }
  }

  return {
    element: sheet,
    update(newNames, newMatrix) {
      const same = newNames.length === names.length && newNames.every((name, i) => name === names[i]);
      [names, matrix] = [[...newNames], newMatrix];
      chosen = Math.min(chosen, names.length - 1);
      if (same) weigh();
      else build();
    },
  };
}
