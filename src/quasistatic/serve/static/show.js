// Shows examples by the kind of their data.

import { chart, scatter } from "./chart.js";
import { h } from "./dom.js";
import { opened } from "./parts.js";
import { signals } from "./signals.js";
import { t } from "./words.js";

/** Examples as the server gives them: pictures, rows of a table, lines of text, signals, slices of volumes, points, vectors. */
export function show(examples, options = {}) {
  switch (examples.kind) {
    case "images": return pictures(examples.pictures, options);
    case "table": return table(examples.columns, examples.rows);
    case "text":
    case "digits": return h("ol", { class: "lines", tabindex: 0 }, examples.lines.map((line) => h("li", {}, visible(line))));
    case "signals": return signals(examples.values, options);
    case "volumes": return h("div", {}, h("p", { class: "small soft" }, t("show.volumes")), pictures(examples.pictures, options));
    case "points": return scatter(examples.values, options);
    default: return series(examples.values);
  }
}

/** Pictures in a grid; each opens larger. */
export function pictures(uris, { tile = 72, zoom = true, className = "" } = {}) {
  const item = (uri, i) => {
    const image = h("img", { class: "pixels", src: uri, alt: t("show.picture", { n: i + 1 }) });
    return zoom ? h("button", { type: "button", onclick: () => enlarge(uri, i) }, image) : image;
  };
  return h("div", { class: `grid ${className}`, style: { "--tile": `${tile}px` } }, uris.map(item));
}

function enlarge(uri, i) {
  const name = t("show.picture", { n: i + 1 });
  opened(name, h("img", { class: "pixels", src: uri, alt: name }),
    h("a", { class: "button", href: uri, download: `picture-${i + 1}.png` }, "↓ PNG"));
}

export function strip(uris) {
  return h("div", { class: "strip" }, uris.map((uri) => h("img", { class: "pixels", src: uri, alt: "" })));
}

export function table(columns, rows) {
  const numeric = columns.map((_, place) => rows.every((row) => row[place] === "" || !Number.isNaN(Number(row[place]))));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("show.table") },
    h("table", {},
      h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.slice(0, 500).map((row) =>
        h("tr", {}, row.map((cell, place) => h("td", { class: numeric[place] ? "num" : null }, cell)))))));
}

function series(values) {
  const place = values[0].map((_, i) => i);
  return chart(t("show.series"), place, values.slice(0, 12).map((row, i) => ({ label: `${i + 1}`, values: row })));
}

/** Characters that have no look of their own, made visible. */
export function visible(line) {
  return line.replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}
