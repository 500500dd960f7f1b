// A handle on a drawing that is dragged by pointer, touch or pen, or moved by keys; readers hear it as a slider.

import { draw } from "./dom.js";

/**
 * @param {SVGElement} sheet  the drawing that the handle is on
 * @param {string} label
 * @param {{drag: function(number, number), step: function(number), end: function()}} acts  `drag` gets the place in the
 *     drawing's units, `step` the direction of a key, `end` is called when the reader lets go
 */
export function handle(sheet, label, { drag, step, end }) {
  let held = false;
  const element = draw("circle", {
    r: 7, class: "handle", tabindex: 0, role: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 1,
    onpointerdown: (event) => {
      held = true;
      element.setPointerCapture(event.pointerId);
      event.preventDefault();
      element.focus();
    },
    onpointermove: (event) => {
      if (!held) return;
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(sheet.getScreenCTM().inverse());
      drag(x, y);
    },
    onpointerup: () => {
      if (held) end();
      held = false;
    },
    onpointercancel: () => { held = false; },
    onkeydown: (event) => {
      const way = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
      if (way === undefined) return;
      event.preventDefault();
      step(way);
    },
    onkeyup: (event) => { if (event.key.startsWith("Arrow")) end(); },
  });
  return {
    element,
    at(x, y, value) {
      element.setAttribute("cx", x);
      element.setAttribute("cy", y);
      element.setAttribute("aria-valuenow", value);
    },
  };
}
