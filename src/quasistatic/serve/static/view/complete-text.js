// A text with gaps: each ? is drawn; the alternatives of a gap are shown with their shares. A text with gaps of unknown
// length or alternatives has readings, shown with their probabilities.

import { work } from "../api.js";
import { fill, h } from "../dom.js";
import { downloads, field, form } from "../parts.js";
import { visible } from "../show.js";
import { t } from "../words.js";
import { completing, effort, soFar, told } from "./complete.js";

export async function render(place, run) {
  const text = field(t("text.gaps"), { tag: "textarea", rows: 3, class: "mono", spellcheck: "false" }, true);
  const state = h("div");
  const out = h("div");
  const own = effort(run, 16);
  work("held_out", { run: run.id, index: 0 }).result.then((found) => {
    if (text.input.value) return;
    const line = found.example.lines[0];
    const kept = Math.ceil(line.length / 3), gap = Math.min(4, line.length - kept);
    text.input.value = line.slice(0, kept) + "?".repeat(gap) + line.slice(kept + gap);
  }, () => {});

  async function act() {
    const made = await completing(state, { ...own.values(), text: text.input.value }, (part) =>
      fill(out, h("h2", {}, t("text.draws")), soFar(part), lines(part.lines)));
    if (made !== null) fill(out, made.readings ? read(made) : result(made));
  }

  fill(place, h("div", { class: "box" }, h("p", { class: "soft" }, t("text.lead")), text.element),
    form(own.elements, t("complete.act"), act), state, out);
  return () => state.running?.cancel();
}

const lines = (all) => h("ol", { class: "lines", tabindex: 0 }, all.map((line) => h("li", {}, visible(line))));

const percent = (share) => (share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`);

/** Readings with their probabilities, then the draws. */
function read(made) {
  const rows = made.readings.map(([one, share]) => h("li", {}, percent(share), " ", h("span", { class: "mono" }, visible(one))));
  return [
    told(made),
    h("h2", {}, t("text.readings")), h("ol", { class: "lines readings", tabindex: 0 }, rows),
    h("p", { class: "small soft" }, t("text.readings.by")),
    h("h2", {}, t("text.draws")), lines(made.lines),
    downloads(made, made.files),
  ];
}

function result(made) {
  const first = [...made.lines[0]];
  const marked = first.map((character, i) => {
    const found = made.gaps[i];
    if (!found) return visible(character);
    const shares = found.map(([one, share]) => `${visible(one) === " " ? "␣" : visible(one)} ${percent(share)}`);
    return h("mark", { tabindex: 0, title: shares.join("\n"), "aria-label": shares.join(", "),
      onfocus: () => fill(detail, shares.join(" · ")), onmouseenter: () => fill(detail, shares.join(" · ")) },
    character === " " ? "␣" : visible(character));
  });
  const detail = h("p", { class: "mono", role: "status" }, t("text.hover"));
  return [
    told(made),
    h("h2", {}, t("text.first")), h("p", { class: "gaps" }, marked), detail,
    h("p", { class: "small soft" }, t(`text.by.${made.by}`)),
    h("h2", {}, t("text.draws")), lines(made.lines),
    downloads(made, made.files),
  ];
}
