/** Altitude, speed and climb against time (uPlot), with one cursor for charts, map and timeline. */

import uPlot from "../../vendor/uplot.js";
import { colour, h, say } from "../dom.js";
import { selectedTrack, setCursor, view } from "../model.js";
import { on } from "../signals.js";
import { settings } from "../settings.js";
import * as units from "../units.js";
import { cutTime, seek, shownTime, when } from "../when.js";

const MOST_POINTS = 2000;
const LIVE_MS = 500;
const SERIES = [
  { key: "alt", label: "Altitude", value: units.altitudeValue, unit: units.altitudeUnit, text: units.altitude },
  { key: "speed", label: "Speed", value: units.speedValue, unit: units.speedUnit, text: units.speed },
  { key: "climb", label: "Climb", value: units.climbValue, unit: units.climbUnit, text: units.climb },
];

let plot = null;
let host;
let legend;
let empty;
let drawn = { key: "", at: 0 };
let fromHere = false;
let timer = 0;

export function buildCharts(root) {
  legend = h("div", { class: "legend" });
  host = h("div", { class: "plot" });
  empty = h("p", { class: "empty" }, "Altitude, speed and climb appear when a payload is chosen and heard.");
  root.append(legend, empty, host);
  on("tracks select time tab mode", () => refresh());
  on("settings", () => refresh(true));
  on("cursor time tracks", showCursor);
  new ResizeObserver(() => plot && host.clientWidth && plot.setSize(size())).observe(host);
  refresh(true);
}

const size = () => ({ width: Math.max(200, host.clientWidth), height: Math.max(90, host.clientHeight) });

function refresh(anew = false) {
  const track = selectedTrack();
  empty.hidden = Boolean(track?.length);
  host.hidden = legend.hidden = !track?.length;
  if (!track?.length || view.tab !== "charts" || !host.clientWidth) return;
  const now = performance.now();
  const key = `${track.payload} ${track.flight}`;
  if (!anew && plot && drawn.key === key && now - drawn.at < LIVE_MS) {
    timer ||= setTimeout(() => ((timer = 0), refresh()), LIVE_MS);
    return;
  }
  if (!anew && plot && drawn.key === key && drawn.version === track.version && drawn.units === settings.units) {
    showCursor();
    return;
  }
  const data = columns(track);
  if (anew || !plot || drawn.key !== key || drawn.units !== settings.units) make(data);
  else plot.setData(data);
  drawn = { key, at: now, version: track.version, units: settings.units };
  showCursor();
}

/** Columns for uPlot: at most MOST_POINTS, each run of points kept by its lowest and highest altitude. */
function columns(track) {
  const pick = thinned(track);
  const times = pick.map((i) => track.time.data[i] / 1000);
  const column = (name, value) => pick.map((i) => (Number.isNaN(track[name].data[i]) ? null : value(track[name].data[i])));
  return [times, ...SERIES.map(({ key, value }) => column(key, value))];
}

function thinned({ length, alt }) {
  if (length <= MOST_POINTS) return Array.from({ length }, (_, i) => i);
  const pick = [];
  const run = Math.ceil((length * 2) / MOST_POINTS);
  for (let from = 0; from < length; from += run) {
    let low = from;
    let high = from;
    for (let i = from; i < Math.min(length, from + run); i += 1) {
      if (alt.data[i] < alt.data[low]) low = i;
      if (alt.data[i] > alt.data[high]) high = i;
    }
    pick.push(Math.min(low, high));
    if (low !== high) pick.push(Math.max(low, high));
  }
  if (pick.at(-1) !== length - 1) pick.push(length - 1);
  return pick;
}

function make(data) {
  plot?.destroy();
  plot = new uPlot({
    ...size(), legend: { show: false }, padding: [8, 4, 0, 2],
    cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false, uni: 20 }, bind: { dblclick: (u, target, handler) => (event) => (handler(event), null) } },
    scales: { x: { time: false }, alt: {}, speed: {}, climb: {} },
    axes: axes(),
    series: [{}, ...SERIES.map(({ key, label }) => ({
      label, scale: key === "climb" && settings.units === "metric" ? "speed" : key, stroke: colour(`series-${key}`), width: key === "alt" ? 1.8 : 1.3,
      fill: key === "alt" ? `${colour("series-alt")}1c` : undefined, points: { show: false }, spanGaps: true,
    }))],
    hooks: { setCursor: [cursorMoved], draw: [drawNow], ready: [clickable] },
  }, data, host);
}

function axes() {
  const look = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const number = (value) => value.toLocaleString("en");
  return [
    { ...look, size: 24, space: 70, splits: (u, axis, low, high) => units.timeMarks(low * 1000, high * 1000, Math.max(2, u.width / 95))[0].map((ms) => ms / 1000),
      values: (u, splits) => splits.map((s, i) => units.axisTime(s * 1000, i ? (s - splits[i - 1]) * 1000 : ((splits[1] ?? s + 60) - s) * 1000)) },
    { ...look, scale: "alt", size: 58, space: 32, values: (u, splits) => splits.map(number) },
    { ...look, scale: "speed", side: 1, size: 42, space: 32, grid: { show: false }, values: (u, splits) => splits.map(number) },
    ...(settings.units === "aviation" ? [{ ...look, scale: "climb", side: 1, size: 56, space: 32, grid: { show: false }, values: (u, splits) => splits.map(number) }] : []),
  ];
}

function clickable(u) {
  u.over.addEventListener("click", () => {
    if (u.cursor.left >= 0 && Math.abs(u.select.width) < 2) seek(u.posToVal(u.cursor.left, "x") * 1000);
  });
}

function cursorMoved(u) {
  if (fromHere) return;
  setCursor(u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") * 1000 : null);
}

/** In replay, a line at the moment on show, and what is not yet is veiled. */
function drawNow(u) {
  if (when.live) return;
  const x = u.valToPos(cutTime() / 1000, "x", true);
  const { left, top, width, height } = u.bbox;
  if (x > left + width) return;
  u.ctx.save();
  u.ctx.fillStyle = `${colour("panel")}b0`;
  u.ctx.fillRect(Math.max(left, x), top, left + width - Math.max(left, x), height);
  u.ctx.fillStyle = colour("warn");
  if (x >= left) u.ctx.fillRect(x - 1, top, 2, height);
  u.ctx.restore();
}

function showCursor() {
  if (!plot || view.tab !== "charts") return;
  const track = selectedTrack();
  const time = view.cursor ?? shownTime();
  fromHere = true;
  if (view.cursor === null) plot.setCursor({ left: -10, top: -10 }, false);
  else plot.setCursor({ left: plot.valToPos(time / 1000, "x"), top: 10 }, false);
  fromHere = false;
  if (!when.live) plot.redraw(false, false);
  const point = track?.at(time);
  if (!point) return;
  const values = { alt: point[3], speed: point[4], climb: point[5] };
  if (!legend.children.length) {
    legend.append(h("span", { class: "at" }), ...SERIES.map(({ key, label }) => h("span", { class: `item ${key}` }, h("i"), h("span", {}, label), h("b"))));
  }
  say(legend.children[0], `${units.dateTime(point[0])} ${units.zone()}`);
  SERIES.forEach(({ key, text }, index) => say(legend.children[index + 1].lastChild, key === "alt" ? `${units.count(units.altitudeValue(values.alt))} ${units.altitudeUnit()}` : text(values[key])));
}
