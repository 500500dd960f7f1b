// A Markov chain to edit: its forecast, its stationary law, its structure and a path.

import { chart } from "../chart.js";
import { fill, h } from "../dom.js";
import { choice, count, doing, form } from "../parts.js";
import { number, t } from "../words.js";
import { arrows } from "./learn-arrows.js";

const MOST = 8;

export function render(place) {
  let names = [t("chain.sunny"), t("chain.cloudy"), t("chain.rain")];
  let matrix = [[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.2, 0.4, 0.4]];
  const editor = h("div", { class: "scroll" });
  const state = h("div");
  const out = h("div");
  const steps = count(t("chain.steps"), 12, 1, 200);
  const start = choice(t("chain.start"), [], "");
  const seed = count(t("samples.seed"), 0, 0, 2 ** 53 - 1);

  const drawing = arrows((r, row) => {
    matrix[r] = row;
    edit();
  }, () => act());

  function edit() {
    const cell = (r, c) => h("td", {}, h("input", {
      type: "number", min: 0, max: 1, step: 0.05, value: Number(matrix[r][c].toFixed(4)), "aria-label": t("chain.cell", { from: names[r], to: names[c] }),
      onchange: (event) => { matrix[r][c] = Number(event.target.value); sums(); },
    }));
    const name = (r) => h("th", { scope: "row" }, h("input", {
      type: "text", value: names[r], "aria-label": t("chain.name", { n: r + 1 }),
      onchange: (event) => { names[r] = event.target.value; edit(); },
    }));
    const total = names.map(() => h("td", { class: "num" }));
    const sums = () => matrix.forEach((row, r) => {
      const sum = row.reduce((a, b) => a + b, 0);
      fill(total[r], number(sum, 4));
      total[r].classList.toggle("wrong", Math.abs(sum - 1) > 1e-6);
      drawing.update(names, matrix);
    });
    fill(editor, h("table", { class: "matrix" },
      h("thead", {}, h("tr", {}, h("th", {}, t("chain.from")), names.map((one) => h("th", { scope: "col" }, one)), h("th", {}, t("chain.sum")))),
      h("tbody", {}, names.map((_, r) => h("tr", {}, name(r), names.map((__, c) => cell(r, c)), total[r])))));
    fill(start.input, names.map((one, i) => h("option", { value: i }, one)));
    sums();
    add.disabled = names.length >= MOST;
    less.disabled = names.length < 2;
  }

  const add = h("button", { type: "button", onclick: () => {
    matrix = [...matrix.map((row) => [...row, 0]), [...names.map(() => 0), 1]];
    names = [...names, `${names.length + 1}`];
    edit();
  } }, t("chain.add"));
  const less = h("button", { type: "button", onclick: () => {
    names = names.slice(0, -1);
    matrix = matrix.slice(0, -1).map((row) => row.slice(0, -1));
    edit();
  } }, t("chain.remove"));

  async function act() {
    const asked = { matrix, states: names, start: Number(start.input.value), steps: Number(steps.input.value), seed: Number(seed.input.value) };
    const made = await doing(state, "chain", asked);
    if (made !== null) fill(out, result(made));
  }

  edit();
  fill(place, h("div", { class: "side" }, h("div", {}, drawing.element, h("p", { class: "small soft" }, t("chain.arrows.how"))), editor), h("div", { class: "row", style: { "margin-bottom": "14px" } }, add, less),
    form([start.element, steps.element, seed.element], t("chain.act"), act), state, out);
  act();
}

function result(made) {
  const places = made.forecast.map((_, n) => n);
  const lines = made.states.map((label, i) => ({ label, values: made.forecast.map((law) => law[i]) }));
  const law = (one) => Object.entries(one).map(([name, share]) => `${name} ${number(share, 4)}`).join(", ");
  const facts = [
    ...made.stationary.map((one) => [t("chain.stationary"), law(one)]),
    [t("chain.classes"), made.classes.map((one) =>
      `{${one.states.join(", ")}} ${one.closed ? t("chain.closed") : t("chain.transient")}`).join("; ")],
    [t("chain.mixing"), made.mixing_time === null ? t("chain.never") : number(made.mixing_time)],
  ];
  return [
    chart(t("chain.forecast"), places, lines, { x: t("chain.steps"), fixed: [0, 1], height: 220 }),
    h("div", { class: "box" }, h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))),
    h("h2", {}, t("chain.path")), h("p", { class: "mono path" }, made.path.map((i) => made.states[i]).join(" → ")),
  ];
}
