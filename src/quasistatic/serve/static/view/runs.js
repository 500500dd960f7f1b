// Every run as a card. Runs in training change as they go on; previews are made when a card is seen.

import { ask, listen, work } from "../api.js";
import { fill, h } from "../dom.js";
import { show, strip } from "../show.js";
import { duration, maybe, number, t, whole } from "../words.js";

export async function render(place) {
  const cards = new Map();
  const list = h("ul", { class: "cards" });
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) entry.target.wanted();
  });
  const update = (runs) => {
    for (const run of runs) {
      if (!cards.has(run.id)) cards.set(run.id, card(run));
      cards.get(run.id).update(run);
    }
    const wanted = runs.map((run) => cards.get(run.id).element);
    if (wanted.some((element, i) => list.children[i] !== element) || list.children.length !== wanted.length) {
      fill(list, wanted);
    }
    wanted.forEach((element) => seen.observe(element));
    fill(empty, runs.length ? null : t("runs.none"));
  };
  const empty = h("p", { class: "empty" });
  fill(place, h("h1", {}, t("runs.title")), h("p", { class: "soft" }, t("runs.lead")), list, empty);
  document.title = `${t("runs.title")} · quasistatic`;
  update((await ask("/api/runs")).runs);
  const ended = listen("runs", update);
  return () => {
    ended();
    seen.disconnect();
  };
}

/** A run's card: `update` shows what its files tell; the preview follows when the card is seen. */
function card(first) {
  let run = first;
  let made = null;
  const preview = h("div", { class: "preview soft small" }, t("runs.preview"));
  const score = h("div", { class: "score" });
  const facts = h("dl", { class: "facts" });
  const badge = h("span", { class: "badge" });
  const link = h("a", { href: `#/run/${run.id}/samples` }, run.name);
  const element = h("li", { class: "card" }, h("div", { class: "head" }, h("h2", {}, link), badge), preview, score, facts);

  element.wanted = () => {
    if (made === run.version || !run.version) return;
    made = run.version;
    work("preview", { run: run.id }).result.then(
      (result) => {
        fill(preview, result.strip.pictures ? strip(result.strip.pictures) : show(result.strip, { size: 72, tile: 82, zoom: false }));
        tell(result.score);
      },
      (error) => fill(preview, error.message),
    );
  };

  function tell(found) {
    if (found === null) return fill(score, heldOut());
    fill(score, t("runs.score", { unit: t(`unit.${run.unit}`), value: number(found.value, 4), error: number(found.error, 2) }), " ",
      h("span", { class: "small soft" }, t("runs.null", { value: number(found.null, 4) })));
  }

  const heldOut = () =>
    run.held_out === null ? null : h("span", {}, t("runs.held_out", { unit: t(`unit.${run.unit}`), value: number(run.held_out, 4) }));

  function update(now) {
    run = now;
    badge.className = `badge ${run.state}`;
    fill(badge, t(`state.${run.state}`));
    if (!score.hasChildNodes()) fill(score, heldOut());
    const steps = run.steps && run.steps !== run.step ? `${whole(run.step)} / ${whole(run.steps)}` : whole(run.step);
    const rows = [
      [t("runs.data"), `${maybe(`kind.${run.kind}`, run.kind)} · ${run.data}`],
      [t("runs.shape"), run.shape.join(" × ")],
      [t("runs.steps"), steps],
      [t("runs.time"), duration(run.seconds)],
    ];
    fill(facts, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  }

  return { element, update };
}
