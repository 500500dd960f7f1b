// An image: held out or from a file; its unknown part is painted; draws stand beside their mean and spread.

import { upload } from "../api.js";
import { fill, h } from "../dom.js";
import { painter } from "../painter.js";
import { choice, count, doing, downloads, field, form, notice } from "../parts.js";
import { pictures } from "../show.js";
import { number, t } from "../words.js";
import { completing, effort, soFar, told } from "./complete.js";

export async function render(place, run) {
  const [, rows, columns] = run.shape;
  const paint = painter(`${run.id}`, rows, columns);
  const whole = h("img", { class: "pixels whole hidden", alt: t("complete.whole") });
  const loading = h("div", { class: "slot" });
  const state = h("div");
  const out = h("div");
  let source = null;
  let ready = null;

  const index = count(t("complete.index"), 0, 0, 1e9);
  const file = h("input", { type: "file", accept: "image/*,.npy,.npz", class: "hidden", onchange: () => { ready = load(file.files); } });
  const use = (made, from) => {
    source = from;
    whole.src = made.example.pictures[0];
    return paint.show(made.example.pictures[0]);
  };

  async function take() {
    const made = await doing(loading, "held_out", { run: run.id, index: Number(index.input.value) });
    if (made === null) return;
    index.input.value = made.index;
    await use(made, { index: made.index });
  }

  async function load(files, fit = false, key = null) {
    if (!files?.length) return;
    try {
      key ??= await upload([files[0]]);
    } catch (error) {
      return fill(loading, notice(error.message, true));
    }
    const made = await doing(loading, "read", { run: run.id, upload: key, fit });
    file.value = "";
    if (made === null) return;
    if (made.example !== null) return use(made, { upload: key, fit });
    const sizes = { size: made.size.join(" × "), wanted: made.wanted.join(" × ") };
    fill(loading, notice(t("complete.size", sizes)),
      h("button", { type: "button", onclick: () => { ready = load([true], true, key); } }, t("complete.fit", sizes)));
  }

  const way = choice(t("complete.observation"),
    ["hidden", "noise", "means"].map((name) => [name, t(`complete.observation.${name}`)]), "hidden");
  const std = field(t("complete.std"), { type: "number", value: 4, min: 0, step: "any" });
  const factor = count(t("complete.factor"), 2, 2, 64);
  const ways = () => {
    paint.element.classList.toggle("hidden", way.input.value !== "hidden");
    whole.classList.toggle("hidden", way.input.value === "hidden");
    std.element.classList.toggle("hidden", way.input.value !== "noise");
    factor.element.classList.toggle("hidden", way.input.value !== "means");
  };
  way.input.addEventListener("change", ways);
  const own = effort(run, 8);

  async function act() {
    await ready; // the example that was asked for last
    if (source === null) return fill(state, notice(t("complete.first"), true));
    const request = { ...own.values(), ...source, observation: way.input.value };
    if (request.observation === "hidden") request.unknown = paint.mask();
    if (request.observation === "noise") request.std = Number(std.input.value);
    if (request.observation === "means") request.factor = Number(factor.input.value);
    const early = [];
    const made = await completing(state, request, (part) => {
      early.push(...part.draws);
      fill(out, h("h2", {}, t("complete.found")),
        soFar({ done: early.length, of: part.of }),
        pictures(early, { tile: 96 }));
    });
    if (made !== null) fill(out, result(made));
  }

  fill(place,
    h("div", { class: "box fields" }, index.element,
      h("button", { type: "button", onclick: () => { ready = take(); } }, t("complete.take")),
      h("button", { type: "button", onclick: () => { index.input.value = Number(index.input.value) + 1; ready = take(); } },
        t("complete.another")),
      h("button", { type: "button", onclick: () => file.click() }, t("complete.load")), file, way.element, std.element,
      factor.element),
    loading, h("div", { class: "bench" }, h("div", { class: "box" }, paint.element, whole),
      h("div", {}, form(own.elements, t("complete.act"), act), state, out)));
  ways();
  ready = take();
  return () => state.running?.cancel();
}

function result(made) {
  const figure = (uri, caption) => h("figure", { class: "one" },
    h("img", { class: "pixels", src: uri, alt: caption }), h("figcaption", {}, caption));
  return [
    told(made),
    h("h2", {}, t("complete.found")),
    h("div", { class: "beside" },
      made.seen ? figure(made.seen, t("complete.seen")) : null,
      figure(made.mean, t("complete.mean")),
      figure(made.spread, t("complete.spread", { most: number(made.most, 3) })),
      made.truth ? figure(made.truth, t("complete.truth")) : null),
    pictures(made.draws, { tile: 96 }),
    downloads(made, made.files),
  ];
}
