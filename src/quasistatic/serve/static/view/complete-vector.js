// A vector: its values as text, with ? for each unknown one; each of those has a small distribution. Points are plotted.

import { work } from "../api.js";
import { scatter } from "../chart.js";
import { fill, h } from "../dom.js";
import { downloads, field, form, notice } from "../parts.js";
import { t } from "../words.js";
import { distributions } from "./complete-row.js";
import { completing, effort, soFar, told } from "./complete.js";

export async function render(place, run) {
  const text = field(t("vector.values"), { tag: "textarea", rows: 2, class: "mono", spellcheck: "false" }, true);
  const state = h("div");
  const out = h("div");
  const own = effort(run, run.kind === "points" ? 500 : 100);
  work("held_out", { run: run.id, index: 0 }).result.then((found) => {
    if (!text.input.value) text.input.value = found.example.values[0].map((one, i, all) => (i === all.length - 1 ? "?" : String(one))).join("  ");
  }, () => {});

  async function act() {
    const words = text.input.value.split(/[\s,;]+/).filter(Boolean);
    const values = words.map((word) => (word === "?" ? null : Number(word)));
    if (values.some(Number.isNaN)) return fill(state, notice(t("vector.wrong"), true));
    const made = await completing(state, { ...own.values(), values }, (part) => fill(out, soFar(part), found(part)));
    if (made !== null) fill(out, told(made), found(made), downloads(made, made.files));
  }

  fill(place, h("div", { class: "box" }, h("p", { class: "soft" }, t("vector.lead")), text.element),
    form(own.elements, t("complete.act"), act), state, out);
  return () => state.running?.cancel();
}

const found = (made) => [made.points ? scatter(made.points) : null, distributions(made.cells, false)];
