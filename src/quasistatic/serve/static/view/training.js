// The course of a run: loss, held-out score, gradient norm, rate; grids of samples over time. Live runs go on drawing.

import { ask, listen } from "../api.js";
import { chart } from "../chart.js";
import { fill, h } from "../dom.js";
import { field, notice } from "../parts.js";
import { t, whole } from "../words.js";

const PANELS = [["loss", false], ["held_out", true], ["gradient_norm", false], ["learning_rate", false], ["rate", false]];

export async function render(place, run) {
  const charts = h("div"), unit = t(`unit.${run.unit}`);
  const pictures = h("div");
  fill(place, charts, pictures);
  let version = null;
  const update = async () => {
    const found = await ask(`/api/runs/${run.id}/curves`);
    if (version === found.step.length) return;
    version = found.step.length;
    if (!found.step.length) return fill(charts, notice(t("training.none")));
    const drawn = PANELS.filter(([name]) => found[name].some((value) => value !== null)).map(([name, points]) => {
      const positive = found[name].every((value) => value === null || value > 0);
      const title = t(`training.${name}`, { unit });
      return chart(title, found.step, [{ label: title, values: found[name], points }],
        { x: t("training.step"), log: positive && name === "gradient_norm", height: name === "loss" ? 260 : 190 });
    });
    const [loss, ...others] = drawn;
    fill(charts, loss, h("div", { class: "side" }, others));
    fill(pictures, grids({ ...run, grids: (await ask(`/api/runs/${run.id}`)).grids }));
  };
  await update();
  return listen("runs", (runs) => {
    const now = runs.find((one) => one.id === run.id);
    if (now?.state === "live" && place.isConnected) update().catch(() => {});
  });
}

function grids(run) {
  if (!run.grids.length) return null;
  const last = run.grids.length - 1;
  const image = h("img", { class: "pixels", alt: "" });
  const text = h("output", { class: "mono" });
  const slider = field(t("training.grids"), { type: "range", min: 0, max: last, value: last, step: 1 }, true);
  const at = (i) => {
    image.src = `/api/runs/${run.id}/grids/${run.grids[i]}`;
    image.alt = t("training.grid", { step: whole(run.grids[i]) });
    fill(text, t("training.grid", { step: whole(run.grids[i]) }));
  };
  slider.input.addEventListener("input", () => at(Number(slider.input.value)));
  at(last);
  return h("section", { class: "box" }, h("h2", {}, t("training.samples")),
    last > 0 ? h("div", { class: "fields" }, slider.element, text) : text,
    h("div", { style: { "max-width": "640px", "margin-top": "12px" } }, image));
}
