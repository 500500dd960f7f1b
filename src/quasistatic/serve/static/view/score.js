// Scores of files, rows or a text: ranked from the strangest, against held-out examples; where their bits go.

import { upload } from "../api.js";
import { chart } from "../chart.js";
import { draw, fill, h } from "../dom.js";
import { count, doing, downloads, field, notice } from "../parts.js";
import { visible } from "../show.js";
import { reach, spark } from "../signals.js";
import { number, t } from "../words.js";

export function render(place, run) {
  const typed = !["table", "text", "digits"].includes(run.kind) ? null
    : field(run.kind === "table" ? t("row.csv") : t("score.text"), { tag: "textarea", rows: 4 }, true);
  const file = h("input", { type: "file", multiple: true, class: "hidden", onchange: () => send(file.files) });
  const draws = count(t("score.draws"), 32, 8, 4096);
  const state = h("div");
  const out = h("div");

  async function send(files) {
    if (!files.length) return;
    fill(out);
    try {
      await score({ upload: await upload(files) });
    } catch (error) {
      fill(state, notice(error.message, true));
    }
    file.value = "";
  }

  async function score(request) {
    fill(out);
    const made = await doing(state, "score", { run: run.id, max_draws: Number(draws.input.value), ...request });
    if (made !== null) fill(out, result(made, beside(run, request, made), t(`unit.${run.unit}`)));
  }

  const zone = h("div", {
    class: "zone",
    ondragover: (event) => { event.preventDefault(); zone.classList.add("over"); },
    ondragleave: () => zone.classList.remove("over"),
    ondrop: (event) => { event.preventDefault(); zone.classList.remove("over"); send([...event.dataTransfer.files]); },
  }, h("p", {}, t("score.drop")),
  h("div", { class: "row" },
    h("button", { type: "button", class: "main", onclick: () => file.click() }, t("score.choose")),
    h("button", { type: "button", onclick: () => score({}) }, t("score.held_out")), draws.element), file);
  const ending = run.kind === "table" ? "csv" : "txt";
  fill(place, zone, typed ? h("div", { class: "box" }, typed.element, h("div", { class: "row", style: { "margin-top": "10px" } },
    h("button", { type: "button", onclick: () => send([new File([`${typed.input.value.trim()}\n`], `typed.${ending}`)]) },
      t("score.typed")))) : null, state, out);
  return () => state.running?.cancel();
}

/** A button that fits simple models to what the model learned from, and shows their scores next to its own. */
function beside(run, request, made) {
  const place = h("div");
  const state = h("div");
  const compare = async () => {
    const found = await doing(state, "baselines", { run: run.id, ...request });
    if (found === null) return;
    const own = { name: t("score.model"), value: made.score.value, error: made.score.error, own: true };
    const null_ = { name: t("score.null"), value: made.score.null, error: null };
    const rows = [own, null_, ...found.baselines].filter((one) => one.value !== null).sort((a, b) => a.value - b.value);
    const most = Math.max(...rows.map((one) => one.value));
    fill(place, h("ul", { class: "bars wide-bars" }, rows.map((one) => h("li", { class: one.own ? "own" : null },
      h("span", {}, one.name), h("meter", { min: 0, max: most > 0 ? most : 1, value: Math.max(0, one.value), "aria-hidden": true }),
      h("span", {}, one.error === null ? number(one.value, 4) : t("score.short", { value: number(one.value, 4), error: number(one.error, 2) }))))));
  };
  if (run.kind === "table") return null;
  fill(place, h("p", { class: "soft" }, t("score.baselines.lead", { unit: t(`unit.${run.unit}`) })), h("button", { type: "button", onclick: compare }, t("score.baselines.act")));
  return h("section", { class: "box" }, h("h2", {}, t("score.baselines")), place, state);
}

function result(made, baselines, unit) {
  const usual = made.usual?.filter((one) => one !== null) ?? [];
  const all = made.all.filter((one) => one !== null);
  const ends = [Math.min(...all, ...usual), Math.max(...all, ...usual)];
  const bars = made.rows.filter((row) => row.bits !== null).flatMap((row) => [-2, 2].map((k) => row.bits + k * (row.error ?? 0)));
  const span = [Math.min(ends[0], ...bars), Math.max(ends[1], ...bars)];
  const small = !["table", "text", "digits", "signals"].includes(made.rows[0]?.example.kind);
  const values = { value: number(made.score.value, 4), error: number(made.score.error ?? 0, 2), null: number(made.score.null, 4), n: made.count, unit };
  return [
    h("div", { class: "side" }, h("div", { class: "box" }, h("p", { class: "score" }, t("score.mean", values)), downloads(made, made.files)), baselines),
    h("div", { class: "side" }, histogram(all, usual, ends, unit), made.by_time ? chart(t("score.by_time"), made.by_time.t, [{ label: t("score.bits", { unit }), values: made.by_time.bits }],
      { x: t("score.time"), bars: true, height: 190 }) : null),
    made.by_place ? chart(t("score.by_place"), made.by_place.map((_, i) => i + 1), [{ label: t("score.bits_place"), values: made.by_place }],
      { x: t("score.place"), bars: made.by_place.length <= 64, height: 180 }) : null,
    h("h2", {}, t("score.ranked")),
    h("p", { class: "soft small" }, usual.length ? t("score.bar.usual") : t("score.bar")),
    h("ol", { class: small ? "ranked" : "ranked wide-ones" }, made.rows.map((row) => ranked(row, usual, span, unit))),
  ];
}

function histogram(all, usual, [low, high], unit) {
  const bins = 24;
  const width = (high - low) / bins || 1;
  const counted = (values) => {
    const counts = new Array(bins).fill(0);
    values.forEach((one) => counts[Math.min(bins - 1, Math.floor((one - low) / width))]++);
    return counts.map((one) => one / Math.max(1, values.length));
  };
  const middles = Array.from({ length: bins }, (_, i) => low + (i + 0.5) * width);
  const lines = [{ label: t("score.these"), values: counted(all) }];
  if (usual.length) lines.push({ label: t("score.usual"), values: counted(usual) });
  return chart(t("score.distribution", { unit }), middles, lines, { x: unit, bars: true, height: 190 });
}

/** An example with its score as a point with an error bar, over the range of held-out ones. */
function ranked(row, usual, [low, high], unit) {
  const at = (value) => 4 + (232 * (value - low)) / (high - low || 1);
  const exact = row.error === 0; // a score without noise, as that of a text in a fixed order
  const value = number(row.bits, 4);
  const text = exact ? t("score.one.exact", { value, unit }) : t("score.one", { value, unit, error: number(row.error, 2) });
  const sorted = [...usual].sort((a, b) => a - b);
  const band = sorted.length ? [sorted[Math.floor(sorted.length * 0.05)], sorted[Math.ceil(sorted.length * 0.95) - 1]] : null;
  const error = row.error ?? 0;
  const bar = row.bits === null ? null : draw("svg", { viewBox: "0 0 240 20", class: "errorbar", "aria-hidden": "true" },
    band ? draw("rect", { x: at(band[0]), y: 3, width: Math.max(1, at(band[1]) - at(band[0])), height: 14, class: "band" }) : null,
    draw("line", { x1: at(row.bits - 2 * error), x2: at(row.bits + 2 * error), y1: 10, y2: 10, class: "reach" }),
    draw("circle", { cx: at(row.bits), cy: 10, r: 4, class: "mean" }));
  return h("li", {}, h("div", { class: "what" }, what(row)),
    h("div", { class: "how" }, h("strong", {}, row.name), h("span", {}, text), bar,
      row.p === null ? null : h("span", { class: "small soft" }, t("score.p", { p: number(row.p, 2) }))));
}

/** An example with its bits: an image beside its map; cells, characters or the places of a signal on a warm ground. */
function what({ example, heat }) {
  if (example.kind === "signals") return h("div", { class: "wide-spark" }, spark(example.values[0], reach(example.values), heat));
  if (example.pictures) {
    return [h("img", { class: "pixels", src: example.pictures[0], alt: t("score.image") }),
      h("img", { class: "pixels", src: heat, alt: t("score.map") })];
  }
  const most = Math.max(...heat.map((one) => one ?? 0), 1e-9);
  const warm = (bits) => ({ "--heat": `${Math.round((70 * Math.max(0, bits ?? 0)) / most)}%` });
  const told = (bits) => t("score.cell", { bits: number(bits, 3) });
  if (example.kind === "table") {
    return h("dl", { class: "heat" }, example.columns.map((name, i) =>
      h("div", { style: warm(heat[i]), title: told(heat[i]) }, h("dt", {}, name), h("dd", {}, example.rows[0][i] || "–"))));
  }
  if (example.lines) {
    const line = [...visible(example.lines[0])];
    if (line.length !== heat.length) return h("p", { class: "mono" }, line.join(""));
    return h("p", { class: "mono heat" }, line.map((one, i) => h("span", { style: warm(heat[i]), title: told(heat[i]) }, one)));
  }
  return h("p", { class: "mono" }, example.values[0].slice(0, 8).map((one) => number(one, 3)).join(", "));
}
