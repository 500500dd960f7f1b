// The forward process: a picture on its way to noise, by a schedule to drag; the law of one pixel; the T = 200 trap.

import { upload } from "../api.js";
import { chart } from "../chart.js";
import { fill, h } from "../dom.js";
import { choice, count, doing, field, notice } from "../parts.js";
import { number, t } from "../words.js";
import { dragged } from "./learn-drag.js";

const SCHEDULES = ["cosine", "linear", "unscaled", "reciprocal", "own"];

/** The fields of a schedule, and what they ask for; `changed` is called as they change. */
export function scheduled(changed, first = "cosine") {
  const name = choice(t("noise.schedule"), SCHEDULES.map((one) => [one, t(`schedule.${one}`)]), first);
  const steps = count(t("noise.steps"), 1000, 1, 5000);
  const last = field(t("noise.last"), { type: "range", min: 0.002, max: 0.06, step: 0.001, value: 0.02 });
  const offset = field(t("noise.offset"), { type: "range", min: 0, max: 0.3, step: 0.002, value: 0.008 });
  const table = field(t("noise.table"), { tag: "textarea", rows: 2, value: "0.05 0.1 0.2 0.3 0.5 0.9" }, true);
  const used = { cosine: [offset], linear: [steps, last], unscaled: [steps, last], reciprocal: [], own: [table] };
  const all = [name, steps, last, offset, table];
  const show = () => all.slice(1).forEach((one) => one.element.classList.toggle("hidden", !used[name.input.value].includes(one)));
  all.forEach((one) => one.input.addEventListener("change", () => { show(); changed(); }));
  show();
  return {
    elements: all.map((one) => one.element),
    set: (values) => {
      name.input.value = values.schedule;
      if (values.steps) steps.input.value = values.steps;
      if (values.table) table.input.value = values.table;
      show();
      changed();
    },
    values: () => ({
      schedule: name.input.value, steps: Number(steps.input.value), last: Number(last.input.value),
      offset: Number(offset.input.value), table: table.input.value,
    }),
  };
}

export function render(place) {
  const state = h("div");
  const frames = h("div");
  const charts = h("div", { class: "side" });
  const digit = count(t("noise.digit"), 0, 0, 1796);
  const pixel = count(t("noise.pixel"), 27, 0, 63);
  const schedule = scheduled(() => act());
  const curve = dragged((table) => schedule.set({ schedule: "own", table }));
  let picture = null;
  [digit, pixel].forEach((one) => one.input.addEventListener("change", () => act()));
  const trap = h("button", { type: "button", onclick: () => schedule.set({ schedule: "unscaled", steps: 200 }) }, t("noise.trap"));
  const file = h("input", { type: "file", accept: "image/*", class: "hidden", onchange: () => load(file.files) });
  const own = h("button", { type: "button", onclick: () => file.click() }, t("noise.upload"));
  const digits = h("button", { type: "button", class: "hidden", onclick: () => use(null) }, t("noise.digits"));

  function use(key) {
    picture = key;
    digits.classList.toggle("hidden", key === null);
    digit.element.classList.toggle("hidden", key !== null);
    pixel.input.value = 27;
    return act();
  }

  async function load(files) {
    if (!files?.length) return;
    try {
      await use(await upload([files[0]]));
    } catch (error) {
      fill(state, notice(error.message, true));
    }
    file.value = "";
  }

  async function act() {
    const asked = { ...schedule.values(), pixel: Number(pixel.input.value), ...(picture ? { upload: picture } : { digit: Number(digit.input.value) }) };
    const made = await doing(state, "noising", asked);
    if (made === null) return;
    curve.show(made.kept);
    const [rows, columns] = made.size;
    pixel.input.max = rows * columns - 1;
    fill(frames, steps(made, (across, down) => {
      pixel.input.value = Math.floor(down * rows) * columns + Math.floor(across * columns);
      act();
    }));
    fill(charts, curves(made));
  }

  fill(place, h("div", { class: "box fields" }, schedule.elements, digit.element, pixel.element, own, digits, file, trap),
    h("div", { class: "side" }, curve.element, h("div", { class: "box" }, h("h3", {}, t("noise.walk")), frames, h("p", { class: "small soft" }, t("noise.pick")))), state, charts);
  act();
}

/** The picture at some times, and what is left of it at the end. */
function steps(made, pick) {
  const figures = made.frames.map((uri, i) => h("figure", { class: "one" },
    h("img", { class: i ? "pixels" : "pixels pick", src: uri, alt: t("noise.at", { t: number(made.times[i], 3) }),
      onclick: i ? null : (event) => pick(event.offsetX / event.target.clientWidth, event.offsetY / event.target.clientHeight) }),
    h("figcaption", {}, `t = ${number(made.times[i], 3)}`)));
  const left = number(made.left, 2);
  return [h("div", { class: "beside frames" }, figures),
    made.left > 0.01 ? notice(t("noise.left", { left })) : h("p", { class: "soft" }, t("noise.fine", { left }))];
}

function curves(made) {
  const some = [1, 3, 5, made.pixel.densities.length - 1];
  const lines = some.map((i) => ({ label: `t = ${number(made.times[i + 1], 3)}`, values: made.pixel.densities[i] }));
  return [
    chart(t("noise.kept"), made.t, [
      { label: t("noise.signal"), values: made.kept }, { label: t("noise.noise"), values: made.kept.map((one) => 1 - one) },
    ], { x: "t", fixed: [0, 1], height: 200 }),
    chart(t("noise.law"), made.pixel.places, lines, { x: t("noise.value"), height: 200 }),
  ];
}
