/** Small pieces of DOM, built without strings of HTML: what comes over the wire stays text. */

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: `h("p", { class: "soft", onclick: f }, "text", child)`. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "class") element.className = value;
  else if (name === "value" || name === "checked") element[name] = value;
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Put `text` into `element`, touching the DOM only when it differs. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute only when it differs; null removes it. */
export function mark(element, name, value) {
  if (value === null || value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

const ICONS = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  step: "M3 2.5v11l7-5.5zM11 2.5h2v11h-2z",
  back: "M13 2.5v11l-7-5.5zM3 2.5h2v11H3z",
  alert: "M8 1.5 15 14H1zM7.2 6v4h1.6V6zM7.2 11v1.6h1.6V11z",
  ok: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11z",
  late: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zm0 1.6v7.8a3.9 3.9 0 0 0 0-7.8z",
  stale: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zm0 1.8a3.7 3.7 0 1 0 0 7.4 3.7 3.7 0 0 0 0-7.4z",
  landed: "M3 3h10v10H3z",
  up: "M8 2.5 13 8H9.2v5.5H6.8V8H3z",
  down: "M8 13.5 3 8h3.8V2.5h2.4V8H13z",
  copy: "M5 1.5h8.5V11H11v3.5H2.5V5H5zM6.5 5H11v4.5h1V3H6.5zM4 6.5V13h5.5V6.5z",
  wide: "M1.5 7h3V4.5L8 8l-3.5 3.5V9h-3zM14.5 3v10H9.5v-1.5H13v-7H9.5V3z",
  close: "m3.5 2.4 4.5 4.5 4.5-4.5 1.1 1.1L9.1 8l4.5 4.5-1.1 1.1L8 9.1l-4.5 4.5-1.1-1.1L6.9 8 2.4 3.5z",
  photo: "M2 3.5h3L6 2h4l1 1.5h3v9.5H2zM8 5.3a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
};

/** An icon as inline SVG: signs such as ⏸ are boxes in many fonts. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

/** A button with a label for screen readers and a key in its tooltip. */
export function button(label, { title = label, key = "", ...properties } = {}, ...children) {
  const text = key ? `${title} (${key})` : title;
  const shown = children.length ? children : [label];
  return h("button", { type: "button", title: text, "aria-label": children.length ? label : null, ...properties }, ...shown);
}

/** The page's announcements: politely, or as an alarm. */
export function announce(text, alarm = false) {
  document.getElementById(alarm ? "alarm" : "announce").textContent = text;
}

const colours = { theme: "", values: new Map() };

/** A colour of the theme by its name in colours.css. */
export function colour(name) {
  const { theme } = document.documentElement.dataset;
  if (theme !== colours.theme) Object.assign(colours, { theme, values: new Map() });
  let value = colours.values.get(name);
  if (!value) {
    value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    colours.values.set(name, value);
  }
  return value;
}
