/** The wire: what arrived, or every packet as the provider saw it; the newest 5,000 lines, virtualised. */

import { announce, button, h, icon, mark, say } from "../dom.js";
import { model, view, WIRE_LINES } from "../model.js";
import { Ring } from "../ring.js";
import { on, touch } from "../signals.js";
import { bytes, clockMillis } from "../units.js";
import { shownTime, when } from "../when.js";
import { showTab } from "./dock.js";
import { troubleLine } from "./trouble.js";
import { historyBefore, narrowed } from "./wire_source.js";

const ROW = 18;
const CHOSEN = "wire-chosen"; // the id of the chosen line
const pool = [];
let scroller;
let space;
let rows;
let following = true;
let paused = null; // the lines as they were when paused
let chosen = null; // { number, item }
let parts;

/** "provider" or "arrivals": which of the two is shown. */
export const wireSource = () => view.wireSource ?? (model.hasProvider ? "provider" : "arrivals");

export function buildWire(root) {
  parts = {
    rate: h("span", { class: "note" }),
    pause: button("Pause", { key: "x", class: "plain", onclick: togglePause }, icon("pause")),
    copy: button("Copy the lines", { key: "c", class: "plain copy", onclick: copyLines }, icon("copy")),
    wide: button("Wider", { key: "w", class: "plain", onclick: toggleWide }, icon("wide")),
    source: h("div", { class: "group source", role: "group", "aria-label": "Which lines" },
      button("Provider’s view", { title: "Every packet, as the relay saw it", "data-source": "provider", onclick: () => setSource("provider") }),
      button("Arrivals", { title: "Every message that reached the ground", "data-source": "arrivals", onclick: () => setSource("arrivals") })),
    filter: h("input", { type: "text", class: "mono", id: "wire-filter", spellcheck: "false", autocomplete: "off", "aria-label": "Filter the wire", placeholder: 'Filter  ( \\ )  payload == "HAB-01"', value: view.wireFilter, onchange: applyFilter, onkeydown: (event) => event.key === "Escape" && clearFilter(event) }),
    error: h("p", { class: "filter-error", role: "status" }),
    empty: h("p", { class: "empty" }),
    down: button("Newest", { class: "to-newest", onclick: () => follow() }, icon("down"), "newest"),
  };
  rows = h("div", { class: "wire-rows" });
  space = h("div", { class: "wire-space" }, rows);
  scroller = h("div", { class: "scroll wire-scroll", role: "listbox", tabindex: "0", "aria-label": "Wire, newest last" }, space);
  scroller.addEventListener("scroll", scrolled);
  scroller.addEventListener("keydown", keys);
  root.append(h("div", { class: "head" }, h("h2", { id: "wire-title" }, "Wire"), parts.rate, h("span", { class: "spacer" }), parts.source, parts.pause, parts.copy, parts.wide),
    h("div", { class: "filter" }, parts.filter), parts.error, troubleLine("wire"), parts.empty, h("div", { class: "wire-box" }, scroller, parts.down));
  on("wire settings time mode wire-lines", paint);
  new ResizeObserver(paint).observe(scroller);
  if (view.wireFilter) applyFilter();
  paint();
}

/** The lines on show: paused, filtered, of the past, or as they come. */
function lines() {
  if (paused) return paused;
  if (!when.live) return historyBefore(shownTime(), view.wireFilter);
  return narrowed(wireSource(), view.wireFilter) ?? model[wireSource()];
}

function paint() {
  const ring = lines();
  const { length } = ring.items;
  const known = length > 0;
  space.style.height = `${length * ROW}px`;
  parts.empty.hidden = known;
  if (!known) say(parts.empty, emptyText());
  if (following && known) scroller.scrollTop = length * ROW;
  const from = Math.max(0, Math.floor(scroller.scrollTop / ROW) - 4);
  const to = Math.min(length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW) + 4);
  while (pool.length < to - from) pool.push(makeRow());
  pool.forEach((row, index) => {
    const item = index < to - from ? ring.items[from + index] : null;
    row.element.hidden = !item;
    if (item) fill(row, item, ring, from + index);
    else mark(row.element, "id", null);
  });
  mark(scroller, "aria-activedescendant", document.getElementById(CHOSEN)?.id); // none while it is out of view
  rows.style.transform = `translateY(${from * ROW}px)`;
  controls();
}

function controls() {
  const source = when.live ? wireSource() : "arrivals";
  say(parts.rate, when.live ? (paused ? "paused" : `${model.rates.messages.toFixed(1)} msg/s, ${bytes(model.rates.bytes)}/s`) : "what had arrived by then");
  parts.source.hidden = !model.hasProvider || !when.live;
  for (const element of parts.source.children) mark(element, "aria-pressed", element.dataset.source === source);
  mark(parts.pause, "aria-pressed", Boolean(paused));
  mark(parts.wide, "aria-pressed", view.wide);
  parts.down.hidden = following;
}

function emptyText() {
  if (view.wireFilter) return "No line fits the filter. Clear it to see all.";
  if (!when.live) return "Nothing had arrived by then.";
  if (model.stream === "closed") return "The connection is lost; lines go on when the ground answers again.";
  return "Every message that arrives is listed here, newest last.";
}

function makeRow() {
  const cell = (name) => h("span", { class: name });
  const [time, sign, size, what, text] = ["time", "sign", "size", "what", "text"].map(cell);
  const element = h("div", { class: "line", role: "option" }, time, sign, size, what, text);
  element.addEventListener("click", () => open(element.number));
  rows.append(element);
  return { element, time, sign, size, what, text, direction: "" };
}

function fill(row, item, ring, index) {
  const { element } = row;
  element.number = ring.first + index;
  const shown = lineOf(item);
  say(row.time, clockMillis(shown.at));
  if (row.direction !== shown.direction) {
    row.direction = shown.direction;
    row.sign.replaceChildren(icon(shown.direction));
  }
  say(row.size, shown.size < 10000 ? `${shown.size} B` : `${Math.round(shown.size / 1000)} kB`);
  say(row.what, shown.what);
  say(row.text, shown.text);
  const isChosen = chosen && chosen.item === item;
  element.className = `line ${shown.tone}`;
  mark(element, "id", isChosen ? CHOSEN : null);
  mark(element, "aria-selected", Boolean(isChosen));
  mark(element, "aria-setsize", ring.items.length);
  mark(element, "aria-posinset", index + 1);
  element.title = shown.text;
}

/** "HAB-01/position"; where there is but one payload, its name would only take room. */
const named = (payload, kind) => (model.payloads.size === 1 && model.payloads.has(payload) ? kind : `${payload ?? "?"}/${kind}`);

/** What a line says, for either source. */
export function lineOf(item) {
  if (item.direction) {
    const refused = item.verdict === "refused";
    const kind = item.topic ? item.topic.split("/").at(-1) : item.type;
    return {
      at: item.at_ms ?? Date.parse(item.at), direction: item.direction, size: item.size,
      what: named(item.payload ?? item.client_id, refused ? "refused" : kind),
      text: item.verdict === "ok" ? item.summary : `${item.reason || item.verdict} · ${item.summary}`,
      tone: refused ? "refused" : item.verdict === "marked" ? "marked" : item.type === "publish" ? "" : "quiet",
    };
  }
  const kind = (item.topic ?? "").split("/").at(-1) || item.kind;
  return {
    at: item.at_ms, direction: "up", size: item.size, what: named(item.payload, item.quarantined ? "quarantine" : kind),
    text: item.summary ?? "", tone: item.quarantined ? "refused" : "",
  };
}

function scrolled() {
  const atEnd = scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - ROW;
  if (atEnd !== following) following = atEnd;
  touch("wire-lines");
}

function follow() {
  following = true;
  touch("wire-lines");
}

export function togglePause() {
  if (paused) paused = null;
  else {
    const ring = lines();
    paused = new Ring(WIRE_LINES);
    paused.items = [...ring.items];
  }
  announce(paused ? "Wire paused" : "Wire goes on");
  touch("wire");
}

/** Where the filter has no room, make it. */
export function widen() {
  if (!parts.filter.offsetParent && !view.wide) toggleWide();
}

export function toggleWide() {
  view.wide = !view.wide;
  document.getElementById("frame").classList.toggle("wide", view.wide); // at once, as in showPanel
  touch("frame link wire map");
}

function setSource(source) {
  view.wireSource = source;
  chosen = null;
  follow();
  touch("wire link");
}

export async function copyLines() {
  const ring = lines();
  const item = chosen?.item;
  const text = (item ? [item] : ring.items.slice(-500)).map(textOf).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    announce(item ? "Line copied" : `${Math.min(500, ring.items.length)} lines copied`);
  } catch {
    announce("The browser did not let the page copy", true);
  }
}

function textOf(item) {
  const shown = lineOf(item);
  return `${new Date(shown.at).toISOString()} ${shown.direction} ${shown.size} B ${shown.what} ${shown.text}`;
}

function keys(event) {
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -1e9, End: 1e9 }[event.key];
  const ring = lines();
  if (event.key === "Enter" && chosen) open(chosen.number);
  if (!step || !ring.items.length) return;
  event.preventDefault();
  event.stopPropagation();
  const at = chosen ? ring.items.indexOf(chosen.item) : ring.items.length;
  const index = Math.min(ring.items.length - 1, Math.max(0, at + step));
  following = index === ring.items.length - 1 && step > 1;
  open(ring.first + index);
  const top = index * ROW;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (top + ROW > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + ROW - scroller.clientHeight;
}

/** Open a line in the packet tab. */
function open(number) {
  const ring = lines();
  const item = ring.get(number);
  if (!item) return;
  chosen = { number, item };
  view.packet = item;
  showTab("packet");
  touch("wire packet");
}

function clearFilter(event) {
  event.stopPropagation();
  parts.filter.value = "";
  parts.filter.blur(); // the keys are the page's again
  applyFilter();
}

async function applyFilter() {
  view.wireFilter = parts.filter.value.trim();
  chosen = null;
  say(parts.error, "");
  mark(parts.filter, "aria-invalid", null);
  touch("link");
  const { checkFilter } = await import("./wire_source.js");
  const wrong = await checkFilter(wireSource(), view.wireFilter);
  if (wrong) {
    say(parts.error, wrong);
    mark(parts.filter, "aria-invalid", "true");
  }
  follow();
  touch("wire");
}
