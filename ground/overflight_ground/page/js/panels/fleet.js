/** The fleet: trouble first, a sparkline of altitude, how long ago; drawn only where it is in view. */

import { colour, h, icon, mark, say } from "../dom.js";
import { ageS, model, select, STATE_WORDS, STATES, stateOf, view } from "../model.js";
import { on, touch } from "../signals.js";
import { trackColour } from "../map/tracks.js";
import { payloadNames } from "../map/map.js";
import { altitude, duration } from "../units.js";
import { cutTime, when } from "../when.js";
import { troubleLine } from "./trouble.js";

const ROW = 30;
const SPARK_W = 46;
const SPARK_H = 20;
const SPARK_MS = 2000;

const rows = new Map(); // name → { element, … }
let list;
let body;
let title;
let shown = [];
let filter;

export function buildFleet(root) {
  title = h("h2", { id: "fleet-title" }, "Fleet");
  filter = h("input", { type: "search", id: "fleet-filter", placeholder: "Filter payloads  ( / )", "aria-label": "Filter payloads", value: view.fleetFilter, oninput: () => {
    view.fleetFilter = filter.value;
    touch("fleet link");
  } });
  list = h("ul", { class: "fleet-list", role: "listbox", "aria-label": "Payloads", tabindex: "0" });
  body = h("div", { class: "scroll" }, list);
  body.addEventListener("scroll", () => touch("fleet-scroll"));
  list.addEventListener("keydown", keys);
  root.append(h("div", { class: "head" }, title), h("div", { class: "filter" }, filter), troubleLine("fleet"), h("div", { class: "fleet-empty empty" }), body);
  on("fleet alerts select settings mode", () => arrange(root));
  on("fleet-scroll age time tracks", paint);
  new ResizeObserver(paint).observe(body);
  arrange(root);
}

function keys(event) {
  const index = shown.indexOf(view.payload);
  const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  choose(Math.min(shown.length - 1, Math.max(0, index + step)));
}

/** Choose the n-th payload of the list. */
function choose(index) {
  if (!shown[index]) return;
  select(shown[index]);
  const top = index * ROW;
  if (top < body.scrollTop) body.scrollTop = top;
  else if (top + ROW > body.scrollTop + body.clientHeight) body.scrollTop = top + ROW - body.clientHeight;
}

/** Choose the next payload of the list, or (−1) the previous. */
export function chooseNext(step) {
  choose(Math.min(shown.length - 1, Math.max(0, shown.indexOf(view.payload) + step)));
}

function arrange(root) {
  const wanted = view.fleetFilter.trim().toLowerCase();
  const all = [...model.payloads.values()];
  shown = all.filter((payload) => fits(payload, wanted))
    .map((payload) => [STATES.indexOf(stateOf(payload)), payload.payload])
    .sort((a, b) => a[0] - b[0] || byName(a[1], b[1])).map(([, name]) => name);
  const empty = root.querySelector(".fleet-empty");
  say(title, wanted ? `Fleet (${shown.length} of ${all.length})` : `Fleet (${all.length})`);
  empty.hidden = shown.length > 0;
  if (!shown.length) say(empty, all.length ? "No payload fits the filter. Clear it to see all." : model.loaded ? "No payload heard yet. Each appears here with its first message." : "Asking the ground which payloads it knows…");
  list.style.height = `${shown.length * ROW}px`;
  list.hidden = !shown.length;
  paint();
}

const byName = new Intl.Collator("en", { numeric: true }).compare; // HAB-9 before HAB-10
const fits = (payload, wanted) => !wanted || `${payload.payload} ${payload.phase ?? ""} ${STATE_WORDS[stateOf(payload)]}`.toLowerCase().includes(wanted);

/** Make rows for what is in view, drop the rest, fill in what changed. */
function paint() {
  if (!body) return;
  const from = Math.max(0, Math.floor(body.scrollTop / ROW) - 3);
  const to = Math.min(shown.length, Math.ceil((body.scrollTop + body.clientHeight) / ROW) + 3);
  const visible = new Set(shown.slice(from, to));
  for (const [name, row] of rows) {
    if (visible.has(name)) continue;
    row.element.remove();
    rows.delete(name);
  }
  const names = payloadNames();
  for (let index = from; index < to; index += 1) fill(shown[index], index, names);
  mark(list, "aria-activedescendant", visible.has(view.payload) ? `payload-${view.payload}` : null);
}

function fill(name, index, names) {
  let row = rows.get(name);
  if (!row) {
    row = make(name);
    rows.set(name, row);
    list.append(row.element);
  }
  const payload = model.payloads.get(name);
  if (!payload) return;
  row.element.style.transform = `translateY(${index * ROW}px)`;
  mark(row.element, "aria-selected", name === view.payload);
  mark(row.element, "aria-setsize", shown.length);
  mark(row.element, "aria-posinset", index + 1);
  const state = stateOf(payload);
  if (row.state !== state) {
    row.state = state;
    row.sign.replaceChildren(icon(state), h("span", { class: "visually-hidden" }, STATE_WORDS[state]));
    row.sign.className = `sign ${state}`;
    row.sign.title = STATE_WORDS[state];
  }
  const point = when.live ? null : model.tracks.get(name)?.at(cutTime());
  const height = when.live ? payload.fix?.alt_msl_m : point?.[3];
  say(row.height, altitude(height));
  say(row.age, when.live ? ageText(payload, state) : point ? "" : "not yet");
  row.age.className = `age ${state === "ok" || state === "landed" ? "" : state === "alert" ? "bad" : "warn"}`;
  spark(row, name, names.indexOf(name));
}

function ageText(payload, state) {
  if (state === "alert") {
    const alert = [...model.alerts.values()].find((item) => item.payload === payload.payload && !item.end_at && item.severity !== "info");
    return SHORT[alert?.kind] ?? alert?.kind.replaceAll("-", " ") ?? "alert";
  }
  if (state === "landed") return "landed";
  const age = duration(ageS(payload));
  return state === "ok" ? age : `${STATE_WORDS[state]} ${age}`;
}

const SHORT = { area: "in area", "given-up": "given up" };

function make(name) {
  const sign = h("span", { class: "sign" });
  const canvas = h("canvas", { width: SPARK_W * 2, height: SPARK_H * 2, class: "spark" });
  const height = h("span", { class: "height" });
  const age = h("span", { class: "age" });
  const element = h("li", { class: "fleet-row", role: "option", id: `payload-${name}`, onclick: () => select(name) }, sign, h("span", { class: "name" }, name), canvas, height, age);
  return { element, sign, canvas, height, age, drawn: -Infinity, key: "" };
}

/** Altitude over the flight, at most every two seconds. */
function spark(row, name, n) {
  const track = model.tracks.get(name);
  const now = performance.now();
  const key = `${track?.version}${document.documentElement.dataset.theme}${view.payload === name}`;
  if (!track?.length || row.key === key || now - row.drawn < SPARK_MS) return;
  Object.assign(row, { drawn: now, key });
  const context = row.canvas.getContext("2d");
  context.setTransform(2, 0, 0, 2, 0, 0);
  context.clearRect(0, 0, SPARK_W, SPARK_H);
  const end = track.length - 1;
  const [first, span] = [track.time.data[0], Math.max(1, track.time.data[end] - track.time.data[0])];
  const step = Math.max(1, Math.floor(end / (SPARK_W * 2)));
  let top = 1000;
  for (let i = 0; i <= end; i += step) if (track.alt.data[i] > top) top = track.alt.data[i];
  context.beginPath();
  for (let i = 0; i <= end; i += step) {
    const value = track.alt.data[i];
    if (!Number.isNaN(value)) context.lineTo(1 + ((track.time.data[i] - first) / span) * (SPARK_W - 3), SPARK_H - 2 - (value / top) * (SPARK_H - 5));
  }
  context.strokeStyle = trackColour(n);
  context.lineWidth = 1.3;
  context.stroke();
  context.fillStyle = colour("text");
  context.fillRect(SPARK_W - 3, SPARK_H - 3 - (track.alt.data[end] / top) * (SPARK_H - 5), 2.5, 2.5);
}
