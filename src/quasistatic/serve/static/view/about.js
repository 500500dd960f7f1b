// What a run is: its configuration as a tree, its data and versions, and the words that repeat what the page shows.

import { fill, h } from "../dom.js";
import { copyable, doing } from "../parts.js";
import { visible } from "../show.js";
import { maybe, t, whole } from "../words.js";

export function render(place, run) {
  const { config, data, versions } = run.about;
  const facts = [
    [t("about.data"), data.name],
    [t("about.kind"), maybe(`kind.${run.kind}`, run.kind)],
    [t("about.examples"), whole(data.examples)],
    [t("about.fingerprint"), data.fingerprint],
    [t("about.step"), whole(run.about.step)],
    ...Object.entries(versions ?? {}),
  ];
  fill(place,
    h("div", { class: "box" }, h("dl", { class: "facts" }, facts.map(([name, value]) =>
      [h("dt", {}, name), h("dd", { class: "mono", style: { "overflow-wrap": "anywhere" } }, String(value ?? "–"))]))),
    h("h2", {}, t("about.report")), report(run),
    h("h2", {}, t("about.commands")), h("p", { class: "soft" }, t("about.commands.lead")), copyable(commands(run)),
    h("h2", {}, t("about.python")), h("p", { class: "soft" }, t("about.python.lead")), copyable(python(run)),
    h("h2", {}, t("about.config")), h("div", { class: "box tree" }, tree(config, true)),
    h("h2", {}, t("about.specification")), h("div", { class: "box tree" }, tree(data, false)));
}

/** What `quasistatic check` says of the data, once it is asked for: reading them may take a while. */
function report(run) {
  const place = h("div");
  const state = h("div");
  const inspect = async () => {
    const found = await doing(state, "data", { run: run.id });
    if (found === null) return;
    const { plan = [], notes = [], problems = [], ...rest } = found.report;
    fill(place, tree(rest, true),
      h("div", { class: "leaf" }, h("span", {}, t("about.held_out")), h("span", {}, whole(found.held_out))),
      found.labels.length ? h("details", {}, h("summary", {}, t("about.labels")), found.labels.map(([name, n]) =>
        h("div", { class: "leaf" }, h("span", {}, visible(name)), h("span", {}, whole(n))))) : null,
      plan.length ? h("details", { open: true }, h("summary", {}, t("about.columns")), plan.map((line) =>
        h("div", { class: "leaf" }, h("span", {}, line.column), h("span", {}, [line.kind, line.content, line.note].filter(Boolean).join(" · "))))) : null,
      [...problems, ...notes].map((note) => h("p", { class: "small soft" }, note)));
  };
  fill(place, h("p", { class: "soft" }, t("about.report.lead")), h("button", { type: "button", onclick: inspect }, t("about.inspect")));
  return h("div", { class: "box tree report" }, place, state);
}

function tree(value, open) {
  return Object.entries(value).map(([name, own]) => {
    const inner = own !== null && typeof own === "object" && Object.keys(own).length;
    if (!inner) return h("div", { class: "leaf" }, h("span", {}, name), h("span", {}, text(own)));
    const flat = Array.isArray(own) && own.every((one) => one === null || typeof one !== "object");
    if (flat && own.length <= 16) return h("div", { class: "leaf" }, h("span", {}, name), h("span", {}, text(own)));
    return h("details", { open }, h("summary", {}, name, own.type ? ` · ${own.type}` : ""), tree(own, false));
  });
}

const text = (value) => (value === null ? "–" : Array.isArray(value) ? value.join(", ") || "–" : String(value));

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function commands(run) {
  const path = quoted(run.typed);
  const source = quoted(run.about.config.data.source);
  const out = { images: "png", points: "png", table: "csv", text: "txt", digits: "txt" }[run.kind] ?? "npz";
  return [
    `quasistatic sample ${path} --out samples.${out} -n 36 --steps 100 --seed 0`,
    `quasistatic evaluate ${path} ${source}`,
    run.kind === "images" ? `quasistatic infer ${path} ${source} --half bottom --draws 8 --limit 4 --out whole.png` : null,
    run.kind === "signals" ? `quasistatic infer ${path} ${source} --half right --draws 32 --limit 4 --out whole.png` : null,
    run.kind === "table" ? `quasistatic infer ${path} gaps.csv --draws 20 --out filled.csv` : null,
  ].filter(Boolean).join("\n");
}

function python(run) {
  const path = JSON.stringify(run.typed);
  return `import quasistatic as qs
from quasistatic.config import Config, from_json, read_object
from pathlib import Path

config = from_json(Config, read_object(Path(${path}, "config.json"))["config"])
data = qs.load(config.data.source, config.data.reading())
for progress in qs.train(config, data, "again"):  # the same run once more, bit for bit on the same machine
    print(progress.step, progress.loss)

model = qs.Model.from_pretrained(${path})
samples = model.sample(36, steps=100, seed=0)
print(model.evaluate(model.held_out(data)).value)`;
}
