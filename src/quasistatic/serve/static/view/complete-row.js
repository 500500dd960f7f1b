// A row as a form, or pasted lines: empty cells are drawn; each has a small distribution with its interval.

import { work } from "../api.js";
import { draw, fill, h } from "../dom.js";
import { downloads, field, form } from "../parts.js";
import { number, t } from "../words.js";
import { completing, effort, soFar, told } from "./complete.js";

export async function render(place, run) {
  const codec = run.about.data.codec;
  const cells = codec.columns.filter((column) => column.name !== undefined).map((column) => cell(column));
  const pasted = field(t("row.csv"), { tag: "textarea", rows: 4, placeholder: codec.columns.map((c) => c.name).join(",") }, true);
  const state = h("div");
  const out = h("div");
  const own = effort(run, 100);

  async function act() {
    const csv = pasted.input.value.trim();
    const values = Object.fromEntries(cells.map((one) => [one.name, one.input.value]));
    const request = { ...own.values(), ...(csv ? { csv: `${csv}\n` } : { cells: values }) };
    const made = await completing(state, request, (part) => fill(out, soFar(part), distributions(part.cells, Boolean(csv))));
    if (made !== null) fill(out, result(made));
  }

  const example = h("button", { type: "button", onclick: async () => {
    const found = await work("held_out", { run: run.id, index: Math.floor(Math.random() * 1e6) }).result.catch(() => null);
    found?.example.columns.forEach((name, i) => {
      const one = cells.find((own) => own.name === name);
      if (one) one.input.value = found.example.rows[0][i];
    });
  } }, t("row.example"));
  fill(place,
    h("div", { class: "box" }, h("p", { class: "soft" }, t("row.lead")), h("div", { class: "fields" }, cells.map((one) => one.element)),
      h("div", { class: "row", style: { "margin-top": "12px" } }, example),
      h("details", {}, h("summary", {}, t("row.paste")), pasted.element)),
    form(own.elements, t("complete.act"), act), state, out);
  return () => state.running?.cancel();
}

function cell(column) {
  const names = column.categories ?? column.values ?? null;
  const known = Array.isArray(names) ? names.slice(0, 12).join(", ") : "";
  return { name: column.name, ...field(column.name, { type: "text", placeholder: known, autocomplete: "off" }, true) };
}

function result(made) {
  return [told(made), distributions(made.cells, made.rows > 1), downloads(made, made.files)];
}

/** The draws of each cell as a small distribution; of `several` rows, each says which it is of. */
export function distributions(cells, several) {
  return h("div", { class: "cards" }, cells.map((one) => h("section", { class: "card cell" },
    h("h2", {}, several ? t("row.cell", { column: one.column, row: one.row + 1 }) : one.column),
    one.shares ? shares(one.shares) : interval(one))));
}

/** The shares of categories as bars. */
function shares(all) {
  return h("ul", { class: "bars" }, all.map(([name, share]) => h("li", {},
    h("span", {}, name === "" ? "–" : name), h("meter", { min: 0, max: 1, value: share, "aria-hidden": true }),
    h("span", {}, `${Math.round(100 * share)} %`))));
}

/** The draws of a number as a small histogram, with the mean and the interval. */
function interval(one) {
  const most = Math.max(...one.bars);
  const width = 240 / one.bars.length;
  const at = (value) => (one.ends[1] > one.ends[0] ? (240 * (value - one.ends[0])) / (one.ends[1] - one.ends[0]) : 120);
  const text = one.level === null ? number(one.mean, 5) : t("row.interval", {
    mean: number(one.mean, 4), low: number(one.low, 4), high: number(one.high, 4), level: Math.round(100 * one.level),
  });
  return [
    draw("svg", { viewBox: "0 0 240 62", class: "histogram", role: "img", "aria-label": text },
      one.bars.map((n, i) => draw("rect", {
        x: i * width, y: 54 - (50 * n) / most, width: Math.max(1, width - 1), height: (50 * n) / most, class: "bar" })),
      draw("line", { x1: at(one.low), x2: at(one.high), y1: 58, y2: 58, class: "reach" }),
      draw("circle", { cx: at(one.mean), cy: 58, r: 4, class: "mean" })),
    h("p", {}, text),
  ];
}
