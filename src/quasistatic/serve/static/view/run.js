// A run: its head, its tabs, and the view of one of them.

import { ask, work } from "../api.js";
import { fill, h } from "../dom.js";
import { maybe, t, whole } from "../words.js";

const TABS = {
  samples: () => import("./samples.js"),
  complete: () => import("./complete.js"),
  score: () => import("./score.js"),
  training: () => import("./training.js"),
  about: () => import("./about.js"),
};

export async function render(place, [id, tab]) {
  const run = await ask(`/api/runs/${encodeURIComponent(id)}`);
  work("open", { run: run.id }).result.catch(() => {}); // the model is loaded while the reader looks
  const chosen = tab in TABS ? tab : "samples";
  const tabs = Object.keys(TABS).map((name) =>
    h("a", { href: `#/run/${id}/${name}`, "aria-current": name === chosen ? "page" : null }, t(`tab.${name}`)));
  const what = t("run.what", {
    kind: maybe(`kind.${run.kind}`, run.kind), data: run.data, shape: run.shape.join(" × "), step: whole(run.step),
  });
  const inner = h("div");
  fill(place, h("h1", {}, run.name), h("p", { class: "soft" }, what),
    h("nav", { class: "tabs", "aria-label": t("run.tabs") }, tabs), inner);
  document.title = `${run.name} · ${t(`tab.${chosen}`)}`;
  const { render: draw } = await TABS[chosen]();
  return draw(inner, run);
}
