// Samples of a run: from a seed, with their steps, sampler, label; the walk from noise to data as a film.

import { fill, h } from "../dom.js";
import { choice, count, doing, downloads, field, form } from "../parts.js";
import { square } from "../chart.js";
import { show } from "../show.js";
import { reach } from "../signals.js";
import { number, t } from "../words.js";

const SAMPLERS = ["ancestral", "ddim", "heun", "dpm++", "dpm++sde", "unipc"];

export function render(place, run) {
  const gaussian = run.process === "gaussian";
  const images = run.kind === "images";
  const n = count(t("samples.n"), images ? 36 : run.kind === "points" ? 500 : run.kind === "volumes" ? 12 : 20, 1, 10000);
  const steps = count(t("samples.steps"), 100, 1, 10000);
  const sampler = choice(t("samples.sampler"), SAMPLERS.map((name) => [name, name]), "ancestral");
  const seed = count(t("samples.seed"), 0, 0, 2 ** 53 - 1);
  const label = run.classes.length
    ? choice(t("samples.label"), [["", t("samples.any")], ...run.classes.map((name) => [name, name])], "") : null;
  const scale = run.classes.length
    ? field(t("samples.scale"), { type: "number", value: 1, min: 0, max: 20, step: 0.5 }) : null;
  const where = run.kind === "table"
    ? field(t("samples.where"), { tag: "textarea", rows: 1, placeholder: "age>=60" }, true) : null;
  const state = h("div");
  const out = h("div");
  const values = () => ({
    run: run.id, steps: Number(steps.input.value), seed: Number(seed.input.value),
    sampler: gaussian ? sampler.input.value : "ancestral", label: label?.input.value || null,
    scale: label?.input.value ? Number(scale.input.value) : null,
  });

  async function draw() {
    fill(out);
    const request = { ...values(), n: Number(n.input.value), where: where?.input.value || null };
    const made = await doing(state, "sample", request);
    if (made === null) return;
    fill(out, h("div", { class: "row" }, downloads(made, made.files), h("span", { class: "small soft" },
      t("samples.made", { n: made.count, seconds: number(made.job.seconds, 2) }))), show(made.examples));
  }

  async function walk() {
    fill(out);
    const made = await doing(state, "film", values());
    if (made !== null) fill(out, film(made));
  }

  const again = h("button", { type: "button", onclick: () => { seed.input.value = Number(seed.input.value) + 1; draw(); } },
    t("samples.next"));
  const filmed = ["images", "points", "signals"].includes(run.kind)
    ? h("button", { type: "button", onclick: walk }, t("samples.film")) : null;
  const fields = [n, steps, gaussian ? sampler : null, seed, label, scale, where].filter(Boolean).map((one) => one.element);
  fill(place, form(fields, t("samples.draw"), draw, again, filmed), state, out);
  draw();
  return () => state.running?.cancel();
}

/** The walk from noise to data: a slider of time, and a button that plays it. */
function film(made) {
  const last = made.frames.length - 1;
  const values = made.frames.flatMap((frame) => frame.values ?? []);
  const ends = { points: () => square(values), signals: () => reach(values) }[made.frames[0].kind]?.();
  const drawn = made.frames.map((frame) => show(frame, { zoom: false, className: "film", ends }));
  const stage = h("div", {}, drawn);
  const slider = field(t("film.time"), { type: "range", min: 0, max: last, value: last, step: 1 }, true);
  const time = h("output", { class: "mono" });
  let timer = null;
  const at = (i) => {
    slider.input.value = i;
    slider.input.setAttribute("aria-valuetext", `t = ${number(made.times[i], 3)}`);
    fill(time, `t = ${made.times[i].toFixed(2)}`);
    drawn.forEach((frame, k) => frame.classList.toggle("hidden", k !== i));
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    fill(play, t("film.play"));
  };
  const play = h("button", { type: "button", onclick: () => {
    if (timer !== null) return stop();
    let i = Number(slider.input.value) >= last ? 0 : Number(slider.input.value);
    at(i);
    fill(play, t("film.stop"));
    timer = setInterval(() => (i < last && stage.isConnected ? at(++i) : stop()), 90);
  } }, t("film.play"));
  slider.input.addEventListener("input", () => { stop(); at(Number(slider.input.value)); });
  at(last);
  return h("div", {}, h("div", { class: "box fields" }, slider.element, time, play), stage);
}
