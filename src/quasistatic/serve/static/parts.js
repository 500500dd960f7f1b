// Parts that the views share: fields, progress, notices, downloads.

import { work } from "./api.js";
import { fill, h } from "./dom.js";
import { t } from "./words.js";

let numbered = 0;

/** A labelled input. `attributes` are those of the input. */
export function field(label, attributes, grow = false) {
  const { tag = "input", options = [], ...rest } = attributes;
  const id = `field-${++numbered}`;
  const inner = options.map(([value, text]) => h("option", { value, selected: value === rest.value }, text));
  const input = h(tag, { id, ...rest }, inner);
  const element = h("div", { class: grow ? "field grow" : "field" }, h("label", { for: id }, label), input);
  return { element, input };
}

export const count = (label, value, min, max) => field(label, { type: "number", value, min, max, step: 1, inputmode: "numeric" });

export const choice = (label, options, value) => field(label, { tag: "select", options, value });

export function notice(text, bad = false) {
  return h("p", { class: bad ? "notice bad" : "notice", role: bad ? "alert" : "status" }, text);
}

/**
 * Do a piece of work with a bar and a cancel button in `place`; returns its result, or null after telling an error.
 * A new piece of work in the same place cancels the one before. `onPart` is called with parts that come early.
 */
export async function doing(place, kind, request, onPart = null) {
  const before = place.running?.cancel(); // else the server could share the work that is about to stop
  const bar = h("progress", { max: 1, "aria-label": t("job.running") });
  const text = h("span", { class: "small soft", role: "status" }, t("job.waiting"));
  const watch = (job) => {
    if (job.state === "waiting") return;
    if (job.total > 0) bar.value = job.done / job.total;
    fill(text, job.total > 0 ? `${Math.round((100 * job.done) / job.total)} %` : t("job.running"));
  };
  const piece = work(kind, request, {
    watch, before, onPart: onPart && ((part) => { if (place.running === piece) onPart(part); }),
  });
  const stop = h("button", { type: "button", onclick: () => piece.cancel() }, t("job.cancel"));
  place.running = piece;
  fill(place, h("div", { class: "progress" }, bar, text, stop));
  try {
    const made = await piece.result;
    if (place.running !== piece) return null;
    fill(place, (made.notes ?? []).map((note) => notice(note)));
    return made;
  } catch (error) {
    if (place.running === piece) fill(place, notice(error.message, !error.cancelled));
    return null;
  } finally {
    if (place.running === piece) place.running = null;
  }
}

/** Open a dialog with something larger; `more` stands next to its close button. */
export function opened(label, content, more = null) {
  const dialog = h("dialog", { "aria-label": label, onclose: () => dialog.remove() }, content,
    h("div", { class: "row" }, more, h("button", { type: "button", onclick: () => dialog.close() }, t("close"))));
  document.body.append(dialog);
  dialog.showModal();
}

/** Links to what a job made. */
export function downloads(made, files) {
  const link = (name) =>
    h("a", { class: "button", href: `/api/jobs/${made.job.id}/files/${encodeURIComponent(name)}`, download: name },
      `↓ ${name}`);
  return h("div", { class: "row", role: "group", "aria-label": t("download") }, files.map(link));
}

/** A button that copies a text, on a block that shows it. */
export function copyable(text) {
  const button = h("button", { type: "button" }, t("copy"));
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text).then(() => fill(button, t("copied")), () => fill(button, t("copy.failed")));
    setTimeout(() => fill(button, t("copy")), 1500);
  });
  return h("div", { class: "copy" }, h("pre", { tabindex: 0 }, text), button);
}

/** A form whose button does `act`; Enter does too. */
export function form(fields, label, act, ...more) {
  const button = h("button", { class: "main" }, label);
  return h("form", { class: "box", onsubmit: (event) => { event.preventDefault(); act(); } },
    h("div", { class: "fields" }, fields, button, more));
}
