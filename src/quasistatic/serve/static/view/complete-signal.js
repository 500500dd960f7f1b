// A signal: held out or from a file; a part of it is hidden by dragging or by numbers; draws are a band with their median.

import { upload } from "../api.js";
import { COLOURS, chart } from "../chart.js";
import { fill, h } from "../dom.js";
import { choice, count, doing, downloads, form, notice } from "../parts.js";
import { lines, signals } from "../signals.js";
import { t } from "../words.js";
import { completing, effort, soFar, told } from "./complete.js";

const LARGEST_PLACE = 1e9;

export async function render(place, run) {
  const [channels, length] = run.shape;
  const loading = h("div", { class: "slot" });
  const sheet = h("div", { class: "sheet" });
  const state = h("div");
  const out = h("div");
  let source = null;
  let ready = null;

  const index = count(t("complete.index"), 0, 0, LARGEST_PLACE);
  const file = h("input", { type: "file", accept: ".npy,.npz", class: "hidden", onchange: () => { ready = load(file.files); } });
  const first = count(t("signal.first"), Math.floor((length * 3) / 4), 0, length - 1);
  const last = count(t("signal.last"), length - 1, 0, length - 1);
  const names = Array.from({ length: channels }, (_, i) => [`${i}`, t("signal.channel", { n: i + 1 })]);
  const which = channels > 1 ? choice(t("signal.which"), [["", t("signal.all")], ...names], "") : null;
  const hidden = () => [Number(first.input.value), Number(last.input.value)];
  const redraw = () => sheet.querySelector("figure")?.plot?.redraw();
  const hide = (from, to) => {
    first.input.value = Math.max(0, Math.min(length - 1, Math.round(from)));
    last.input.value = Math.max(0, Math.min(length - 1, Math.round(to)));
    redraw();
  };
  for (const one of [first, last]) one.input.addEventListener("input", redraw);

  function use(made, from) {
    source = from;
    sheet.style.minHeight = `${sheet.getBoundingClientRect().height}px`; // what stands below does not move while the next chart is drawn
    fill(sheet, lines(made.example.values[0], t("signal.input"), { shade: hidden, onSelect: hide }));
  }

  async function take() {
    const made = await doing(loading, "held_out", { run: run.id, index: Number(index.input.value) });
    if (made === null) return;
    index.input.value = made.index;
    use(made, { index: made.index });
  }

  async function load(files) {
    if (!files.length) return;
    try {
      const key = await upload([files[0]]);
      const made = await doing(loading, "read", { run: run.id, upload: key });
      if (made !== null) use(made, { upload: key });
    } catch (error) {
      fill(loading, notice(error.message, true));
    }
    file.value = "";
  }

  const own = effort(run, 32);

  async function act() {
    await ready; // the example that was asked for last
    if (source === null) return fill(state, notice(t("signal.take_first"), true));
    const [from, to] = hidden();
    const channel = which?.input.value ? { channel: Number(which.input.value) } : {};
    const request = { ...own.values(), ...source, first: from, last: to, ...channel };
    const made = await completing(state, request, (part) => fill(out, h("h2", {}, t("complete.found")), soFar(part), bands(part), signals(part.draws)));
    if (made !== null) fill(out, told(made), h("h2", {}, t("complete.found")), bands(made), signals(made.draws), downloads(made, made.files));
  }

  const button = (word, from, to) => h("button", { type: "button", onclick: () => hide(from, to) }, t(`signal.${word}`));
  fill(place,
    h("div", { class: "box fields" }, index.element,
      h("button", { type: "button", onclick: () => { ready = take(); } }, t("complete.take")),
      h("button", { type: "button", onclick: () => { index.input.value = Number(index.input.value) + 1; ready = take(); } },
        t("complete.another")),
      h("button", { type: "button", onclick: () => file.click() }, t("signal.load")), file),
    loading, sheet,
    h("div", { class: "box" }, h("p", { class: "soft" }, t("signal.how")), h("div", { class: "fields" },
      first.element, last.element, which?.element, button("end", Math.floor((length * 3) / 4), length - 1),
      button("middle", Math.floor((length * 3) / 8), Math.ceil((length * 5) / 8) - 1))),
    form(own.elements, t("complete.act"), act), state, out);
  ready = take();
  return () => state.running?.cancel();
}

/** A chart per channel that has a hidden part: what is known, the median with its interval, some draws, and the truth. */
function bands(made) {
  return made.seen.map((seen, c) => {
    if (!seen.includes(null)) return null;
    const unknown = (i) => seen[i] === null || (i > 0 && seen[i - 1] === null) || (i + 1 < seen.length && seen[i + 1] === null);
    const part = (values) => values.map((value, i) => (unknown(i) ? value : null));
    const soft = { colour: `${COLOURS[0]}55`, width: 1, gaps: true };
    const all = [
      { label: t("signal.known"), values: seen, colour: COLOURS[5], gaps: true },
      { label: t("signal.median"), values: part(made.median[c]), colour: COLOURS[0], gaps: true },
    ];
    if (made.truth) all.push({ label: t("complete.truth"), values: part(made.truth[c]), colour: COLOURS[1], dash: [5, 4], gaps: true });
    const bounds = made.low ? [[all.length + 1, all.length, 0]] : [];
    if (made.low) {
      const level = Math.round(100 * made.level);
      all.push({ label: t("signal.low", { level }), values: part(made.low[c]), ...soft });
      all.push({ label: t("signal.high", { level }), values: part(made.high[c]), ...soft });
    }
    const title = made.seen.length > 1 ? t("signal.channel", { n: c + 1 }) : t("signal.drawn");
    return chart(title, seen.map((_, i) => i), all, { x: t("signal.place"), bands: bounds, legend: true, height: 260 });
  });
}
