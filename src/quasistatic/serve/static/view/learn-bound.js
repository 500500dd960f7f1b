// The bound's three terms by the number of steps, next to the true value: data whose law is known, the exact guess.

import { chart } from "../chart.js";
import { fill, h } from "../dom.js";
import { doing } from "../parts.js";
import { table } from "../show.js";
import { number, t } from "../words.js";
import { scheduled } from "./learn-noise.js";

export function render(place) {
  const state = h("div");
  const out = h("div");
  const schedule = scheduled(() => act());

  async function act() {
    const made = await doing(state, "terms", schedule.values());
    if (made !== null) fill(out, result(made));
  }

  fill(place, h("div", { class: "box fields" }, schedule.elements), state, out);
  act();
}

function result(made) {
  const names = ["prior", "diffusion", "reconstruction"];
  const total = (row) => names.reduce((sum, name) => sum + row[name], 0);
  const places = made.rows.map((row) => Math.log2(row.steps));
  const rows = made.rows.map((row) => [String(row.steps), ...names.map((name) => number(row[name], 4)), `${number(total(row), 4)} ± ${number(row.error, 1)}`]);
  return [
    chart(t("bound.chart"), places, [
      { label: t("bound.sum"), values: made.rows.map(total), points: true },
      { label: t("bound.truth"), values: made.rows.map(() => made.truth), dash: [6, 4] },
    ], { x: t("bound.steps"), height: 220 }),
    table([t("samples.steps"), ...names.map((name) => t(`term.${name}`)), t("bound.sum")], rows),
    h("p", { class: "soft" }, t("bound.true", { value: number(made.truth, 4) })),
  ];
}
