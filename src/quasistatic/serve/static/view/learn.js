// Lessons without a run: a Markov chain, the forward process, the bound.

import { fill, h } from "../dom.js";
import { t } from "../words.js";

const LESSONS = {
  chain: () => import("./learn-chain.js"),
  noise: () => import("./learn-noise.js"),
  reverse: () => import("./learn-reverse.js"),
  bound: () => import("./learn-bound.js"),
};

export async function render(place, [name]) {
  const chosen = name in LESSONS ? name : "chain";
  const tabs = Object.keys(LESSONS).map((one) =>
    h("a", { href: `#/learn/${one}`, "aria-current": one === chosen ? "page" : null }, t(`learn.${one}`)));
  const inner = h("div");
  fill(place, h("h1", {}, t("learn.title")), h("nav", { class: "tabs", "aria-label": t("learn.title") }, tabs),
    h("p", {}, t(`lesson.${chosen}`)), inner);
  document.title = `${t(`learn.${chosen}`)} · quasistatic`;
  const { render: draw } = await LESSONS[chosen]();
  return draw(inner);
}
