// The way back from noise: by the exact guess of the digits, or by a run's own model; states next to guesses.

import { ask } from "../api.js";
import { chart } from "../chart.js";
import { fill, h } from "../dom.js";
import { choice, count, doing, field, form } from "../parts.js";
import { number, t, whole } from "../words.js";
import { scheduled } from "./learn-noise.js";

export async function render(place) {
  const runs = (await ask("/api/runs")).runs.filter((run) => run.kind === "images" && run.process === "gaussian");
  const state = h("div");
  const out = h("div");
  const schedule = scheduled(() => act());
  const model = choice(t("reverse.model"), [["", t("reverse.exact")], ...runs.map((run) => [run.id, run.name])], "");
  const steps = count(t("samples.steps"), 60, 1, 1000);
  const seed = count(t("samples.seed"), 0, 0, 2 ** 53 - 1);
  const box = h("div", { class: "box fields" }, schedule.elements);
  model.input.addEventListener("change", () => {
    box.classList.toggle("hidden", model.input.value !== ""); // a model has its own schedule
    act();
  });

  async function act() {
    const run = model.input.value;
    const asked = { ...(run ? { run } : schedule.values()), reverse_steps: Number(steps.input.value), seed: Number(seed.input.value) };
    const made = await doing(state, "reverse", asked);
    if (made !== null) fill(out, result(made));
  }

  fill(place, form([model.element, steps.element, seed.element], t("reverse.act"), act), box, state, out);
  act();
  return () => state.running?.cancel();
}

function result(made) {
  const last = made.times.length - 1;
  const row = (name, uris, alt) => h("section", {}, h("h3", {}, name), h("div", { class: "beside frames" },
    uris.map((uri, i) => h("figure", { class: "one" }, h("img", { class: "pixels", src: uri, alt: alt({ n: i + 1 }) })))));
  const frames = made.times.map((_, i) => h("div", { class: "walk" },
    row(t("reverse.state"), made.states[i], (n) => t("reverse.state.picture", n)),
    row(t("reverse.guess"), made.guesses[i], (n) => t("reverse.guess.picture", n))));
  const slider = field(t("film.time"), { type: "range", min: 0, max: last, value: 0, step: 1 }, true);
  const told = h("output", { class: "mono" });
  const at = () => {
    const i = Number(slider.input.value);
    const time = `t = ${number(made.times[i], 3)}`;
    slider.input.setAttribute("aria-valuetext", time);
    fill(told, time, made.counts ? ` · ${t("reverse.count", { n: number(made.counts[i], 3), of: whole(made.of) })}` : "");
    frames.forEach((frame, k) => frame.classList.toggle("hidden", k !== i));
  };
  slider.input.value = Math.round(last * 0.6);
  slider.input.addEventListener("input", at);
  at();
  return [
    h("div", { class: "box fields" }, slider.element, told), h("div", {}, frames),
    made.counts ? chart(t("reverse.counts"), [...made.times].reverse(), [{ label: t("reverse.counts"), values: [...made.counts].reverse() }],
      { x: "t", log: true, height: 190 }) : null,
    h("p", { class: "soft" }, made.counts ? t("reverse.end") : t("reverse.end.model")),
  ];
}
