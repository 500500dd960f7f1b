// Completing by the kind of data: an image with a painted mask, a row with empty cells, a text with gaps, a part of a signal.

import { fill, h } from "../dom.js";
import { choice, count, doing } from "../parts.js";
import { maybe, number, t, whole } from "../words.js";

const KINDS = {
  images: () => import("./complete-image.js"),
  table: () => import("./complete-row.js"),
  text: () => import("./complete-text.js"),
  digits: () => import("./complete-text.js"),
  signals: () => import("./complete-signal.js"),
  points: () => import("./complete-vector.js"),
  series: () => import("./complete-vector.js"),
};

export async function render(place, run) {
  if (!(run.kind in KINDS)) {
    fill(place, h("p", { class: "empty" }, t("complete.none")));
    return null;
  }
  const { render: draw } = await KINDS[run.kind]();
  return draw(place, run);
}

const METHODS = ["hold", "reveal", "condition", "denoise", "guide", "particle"];

/** The fields that all kinds share, and the values that they give a request. */
export function effort(run, draws) {
  const parts = {
    draws: count(t("complete.draws"), draws, 1, 2000),
    steps: count(t("samples.steps"), 100, 1, 10000),
    method: choice(t("complete.method"), [["", t("complete.best")], ...METHODS.map((name) => [name, name])], ""),
    seed: count(t("samples.seed"), 0, 0, 2 ** 53 - 1),
  };
  const label = run.classes.length
    ? choice(t("samples.label"), [["", t("samples.any")], ...run.classes.map((name) => [name, name])], "") : null;
  const swarm = { particles: count(t("complete.particles"), 64, 1, 10000), islands: count(t("complete.islands"), 4, 1, 100) };
  const particles = () => parts.method.input.value === "particle";
  const choose = () => Object.values(swarm).forEach((one) => one.element.classList.toggle("hidden", !particles()));
  parts.method.input.addEventListener("change", choose);
  choose();
  return {
    elements: [...Object.values(parts), label, ...Object.values(swarm)].filter(Boolean).map((one) => one.element),
    values: () => ({
      ...(particles() ? { particles: Number(swarm.particles.input.value), islands: Number(swarm.islands.input.value) } : {}),
      run: run.id, draws: Number(parts.draws.input.value), steps: Number(parts.steps.input.value),
      method: parts.method.input.value || null, seed: Number(parts.seed.input.value), label: label?.input.value || null,
    }),
  };
}

/** Complete in `state`; returns what was made, or null. `onPart` gets draws as they come. */
export const completing = (state, request, onPart) => doing(state, "complete", request, onPart);

/** How many draws are there while others are still made. */
export const soFar = ({ done, of }) => h("p", { class: "soft", role: "status" }, t("complete.so_far", { n: whole(done), of: whole(of) }));

/** How the draws were made, in words: the method, how exact it is, its cost, and the evidence if there is one. */
export function told(made) {
  const value = number(made.evidence?.value, 5);
  const error = made.evidence?.error ?? null;
  const evidence = made.evidence === null ? null
    : error === null ? t("complete.evidence", { value }) : t("complete.evidence.error", { value, error: number(error, 2) });
  const exactness = maybe(`exactness.${made.method}`, made.exactness);
  return h("div", { class: "box method" },
    h("p", {}, h("strong", {}, t("complete.by", { method: made.method })), " ", exactness),
    evidence ? h("p", {}, evidence) : null,
    h("p", { class: "small soft" }, t("complete.cost", { n: whole(made.evaluations), seconds: number(made.job.seconds, 2) })));
}
