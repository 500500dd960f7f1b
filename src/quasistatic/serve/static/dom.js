// Builds elements without any HTML text: what comes from data can never become markup.

/**
 * Make an element.
 * @param {string} tag
 * @param {object} attributes  `class`, `on…` listeners, properties such as `value`; true and false set or leave out
 * @param {...(Node|string|number|null|Array)} children
 */
export function h(tag, attributes = {}, ...children) {
  return made(document.createElement(tag), attributes, children);
}

const SVG = document.createElementNS.bind(document, "http://www.w3.org/2000/svg");

/** Make an element of a drawing. */
export function draw(tag, attributes = {}, ...children) {
  return made(SVG(tag), attributes, children);
}

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else if (name === "style") for (const [key, own] of Object.entries(value)) element.style.setProperty(key, own);
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}
