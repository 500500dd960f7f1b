// Paints the unknown part of an image: pointer, touch, pen or keys; brush, erase, box, undo, redo, invert, load, save.

import { fill, h } from "./dom.js";
import { field } from "./parts.js";
import { t } from "./words.js";

const HIDDEN = "rgb(224 159 62 / 78%)";
const masks = new Map();

/**
 * A painter for images of a size. The mask of a key outlives it, so it survives a retry and another image.
 * `mask` holds 1 where a pixel is unknown.
 */
export function painter(key, rows, columns) {
  const scale = Math.max(1, Math.floor(384 / Math.max(rows, columns)));
  const mask = masks.get(key) ?? new Uint8Array(rows * columns);
  masks.set(key, mask);
  let past = [];
  let future = [];
  let image = null;
  let start = null;
  let tool = "brush";
  let cursor = [Math.floor(rows / 2), Math.floor(columns / 2)];
  const canvas = h("canvas", {
    class: "painter", width: columns * scale, height: rows * scale, tabindex: 0, role: "application",
    "aria-label": t("paint.canvas"), "aria-describedby": "paint-keys",
  });
  const pen = canvas.getContext("2d");
  const size = field(t("paint.size"), { type: "range", min: 1, max: Math.max(2, Math.ceil(rows / 2)), value: Math.ceil(rows / 9) });
  const told = h("output", { class: "small soft" });

  function draw(box = null) {
    pen.imageSmoothingEnabled = false;
    pen.fillStyle = "#888";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    if (image) pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    pen.fillStyle = HIDDEN;
    mask.forEach((one, i) => {
      if (one) pen.fillRect((i % columns) * scale, Math.floor(i / columns) * scale, scale, scale);
    });
    pen.strokeStyle = "#1f78b4";
    pen.lineWidth = 2;
    const [r, c] = cursor;
    if (document.activeElement === canvas) pen.strokeRect(c * scale + 1, r * scale + 1, scale - 2, scale - 2);
    if (box) pen.strokeRect(box[1] * scale, box[0] * scale, (box[3] - box[1] + 1) * scale, (box[2] - box[0] + 1) * scale);
    fill(told, t("paint.hidden", { share: Math.round((100 * mask.reduce((a, b) => a + b, 0)) / mask.length) }));
    undo.disabled = !past.length;
    redo.disabled = !future.length;
  }

  const remember = () => {
    past = [...past.slice(-99), mask.slice()];
    future = [];
  };
  const change = (next) => {
    remember();
    mask.set(next);
    draw();
  };
  const back = (from, to) => {
    if (!from.length) return;
    to.push(mask.slice());
    mask.set(from.pop());
    draw();
  };

  function dab([row, column]) {
    const radius = Number(size.input.value) / 2;
    const value = tool === "erase" ? 0 : 1;
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        if ((r - row) ** 2 + (c - column) ** 2 < Math.max(0.5, radius * radius)) mask[r * columns + c] = value;
      }
    }
  }

  const place = (event) => {
    const frame = canvas.getBoundingClientRect();
    const at = (offset, length, most) => Math.min(most - 1, Math.max(0, Math.floor((offset / length) * most)));
    return [at(event.clientY - frame.top, frame.height, rows), at(event.clientX - frame.left, frame.width, columns)];
  };
  const between = (one, other) =>
    [Math.min(one[0], other[0]), Math.min(one[1], other[1]), Math.max(one[0], other[0]), Math.max(one[1], other[1])];

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    start = place(event);
    if (tool === "box") return;
    remember();
    dab(start);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const now = place(event);
    if (tool === "box") return draw(between(start, now));
    for (let i = 1; i <= 8; i++) dab([0, 1].map((k) => start[k] + ((now[k] - start[k]) * i) / 8));
    start = now;
    draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (start !== null && tool === "box") hideBox(between(start, place(event)));
    start = null;
  });
  canvas.addEventListener("pointercancel", () => { start = null; });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key in moves) {
      const [r, c] = moves[event.key];
      cursor = [Math.min(rows - 1, Math.max(0, cursor[0] + r)), Math.min(columns - 1, Math.max(0, cursor[1] + c))];
      if (event.shiftKey) dab(cursor);
    } else if (event.key === " ") {
      remember();
      dab(cursor);
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
      back(event.shiftKey ? future : past, event.shiftKey ? past : future);
    } else return;
    event.preventDefault();
    draw();
  });
  for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => draw());

  function hideBox([top, left, bottom, right]) {
    change(mask.map((one, i) => {
      const [r, c] = [Math.floor(i / columns), i % columns];
      return r >= top && r <= bottom && c >= left && c <= right ? 1 : one;
    }));
  }

  const button = (word, act) => h("button", { type: "button", onclick: act }, t(`paint.${word}`));
  const tools = ["brush", "erase", "box"].map((name) => {
    const element = button(name, () => {
      tool = name;
      tools.forEach((one) => one.setAttribute("aria-pressed", one === element));
    });
    element.setAttribute("aria-pressed", name === tool);
    return element;
  });
  const undo = button("undo", () => back(past, future));
  const redo = button("redo", () => back(future, past));
  const file = h("input", { type: "file", accept: "image/*", class: "hidden", onchange: () => load(file.files[0]) });

  async function load(chosen) {
    const picture = await createImageBitmap(chosen).catch(() => null);
    if (picture === null) return fill(told, t("paint.unread"));
    const small = new OffscreenCanvas(columns, rows).getContext("2d");
    small.drawImage(picture, 0, 0, columns, rows);
    const data = small.getImageData(0, 0, columns, rows).data;
    change(mask.map((_, i) => (data[4 * i] > 127 ? 1 : 0)));
  }

  async function save() {
    const whole = new OffscreenCanvas(columns, rows);
    const own = whole.getContext("2d");
    own.fillStyle = "#000";
    own.fillRect(0, 0, columns, rows);
    own.fillStyle = "#fff";
    mask.forEach((one, i) => { if (one) own.fillRect(i % columns, Math.floor(i / columns), 1, 1); });
    const link = h("a", { href: URL.createObjectURL(await whole.convertToBlob()), download: "mask.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const element = h("div", { class: "easel" },
    h("div", { class: "row" }, tools, undo, redo,
      button("half", () => hideBox([Math.floor(rows / 2), 0, rows - 1, columns - 1])),
      button("invert", () => change(mask.map((one) => 1 - one))), button("clear", () => change(mask.map(() => 0))),
      button("load", () => file.click()), button("save", save), file),
    h("div", { class: "fields" }, size.element, told), canvas,
    h("p", { class: "small soft", id: "paint-keys" }, t("paint.keys")));
  draw();

  return {
    element,
    mask: () => [...mask],
    async show(uri) {
      const next = new Image();
      next.src = uri;
      await next.decode();
      image = next;
      draw();
    },
  };
}
