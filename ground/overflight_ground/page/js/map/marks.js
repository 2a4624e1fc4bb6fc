/** What lies over the tracks: areas, plan, prediction, pictures, payloads with names, cursor, measure. */

import { geoCircle, geoPath } from "../../vendor/d3-geo.js";
import { colour } from "../dom.js";
import { activeAlerts, model, selectedTrack, stateOf, view } from "../model.js";
import { altitude, speed } from "../units.js";
import { when } from "../when.js";
import { measureText } from "./measure.js";
import { PLACES } from "./places.js";
import { EARTH_M, RAD } from "./sphere.js";
import { waypointsOf } from "../plan.js";
import { trackColour } from "./tracks.js";

const FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';
const PICTURE_PX = 13; // pictures nearer than this to the last one drawn would only hide the track
let hits = [];
let taken = [];

/** What was drawn at a screen position: { payload } or { picture }, or null. */
export function markAt(x, y) {
  let best = null;
  for (const hit of hits) {
    const d = Math.hypot(hit.x - x, hit.y - y);
    if (d <= 13 && (!best || d < best.d)) best = { ...hit, d };
  }
  return best;
}

export function drawMarks(context, eye, { placeOf }) {
  context.clearRect(0, 0, eye.width, eye.height);
  hits = [];
  taken = [{ x: 0, y: 0, w: eye.width, h: 46 }, { x: 0, y: eye.height - 30, w: eye.width - 52, h: 30 }]; // buttons, scale and credit
  const path = geoPath(eye.projection(), context);
  if (view.layers.has("areas")) drawAreas(context, eye, path);
  if (view.layers.has("plan")) drawPlan(context, eye, path, placeOf);
  if (view.layers.has("prediction") && when.live) drawPrediction(context, eye, path, placeOf);
  if (view.layers.has("pictures")) drawPictures(context, eye);
  drawAlerts(context, eye);
  const spots = payloadSpots(eye, placeOf);
  for (const spot of spots) drawPayload(context, spot);
  drawSelected(context, eye, spots.find((spot) => spot.selected));
  if (view.layers.has("names")) drawNames(context, eye, spots);
  drawCursor(context, eye);
  drawMeasure(context, eye, path);
}

function payloadSpots(eye, placeOf) {
  const spots = [];
  [...model.payloads.keys()].sort().forEach((name, n) => {
    const payload = model.payloads.get(name);
    const place = placeOf(payload, model.tracks.get(name));
    const at = place && eye.place(place[0], place[1]);
    if (!at || at[0] < -20 || at[1] < -20 || at[0] > eye.width + 20 || at[1] > eye.height + 20) return;
    spots.push({ name, n, x: at[0], y: at[1], place, state: stateOf(payload), selected: name === view.payload });
    hits.push({ x: at[0], y: at[1], payload: name });
  });
  return spots.sort((a, b) => a.selected - b.selected);
}

function drawPayload(context, { x, y, n, state, selected }) {
  const r = selected ? 6.5 : model.payloads.size > 100 ? 2.8 : 4;
  context.beginPath();
  context.arc(x, y, r, 0, 2 * Math.PI);
  context.fillStyle = state === "stale" ? colour("panel") : trackColour(n);
  context.fill();
  context.lineWidth = selected ? 2.2 : 1.4;
  context.strokeStyle = state === "stale" ? trackColour(n) : colour(selected ? "text" : "casing");
  context.stroke();
  if (state === "alert" || state === "late" || state === "stale") {
    context.beginPath();
    context.arc(x, y, r + 4, 0, 2 * Math.PI);
    context.setLineDash(state === "alert" ? [] : [3, 2.5]);
    context.strokeStyle = colour(state === "alert" ? "bad" : "warn");
    context.lineWidth = 1.8;
    context.stroke();
    context.setLineDash([]);
  }
}

/** The chosen payload carries its name, altitude and speed. */
function drawSelected(context, eye, spot) {
  if (!spot) return;
  const parts = [spot.name, altitude(spot.place[2]), speed(spot.place[3])].filter((part) => part !== "–");
  context.font = `650 12px ${FONT}`;
  const width = parts.reduce((sum, part) => sum + context.measureText(part).width, 0) + 12 * (parts.length - 1) + 18;
  const x = Math.min(Math.max(6, spot.x + 14), eye.width - width - 6);
  const y = Math.min(Math.max(48, spot.y - 32), eye.height - 30);
  box(context, x, y, width, 23, { fill: colour("panel"), edge: colour("accent") });
  taken.push({ x, y, w: width, h: 23 });
  context.textBaseline = "middle";
  let at = x + 9;
  parts.forEach((part, index) => {
    context.fillStyle = colour(index ? "soft" : "text");
    context.fillText(part, at, y + 12);
    at += context.measureText(part).width + 12;
  });
}

function box(context, x, y, w, h, { fill, edge }) {
  context.beginPath();
  context.roundRect(x, y, w, h, 5);
  context.fillStyle = fill;
  context.globalAlpha = 0.94;
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = edge;
  context.lineWidth = 1;
  context.stroke();
}

/** Names of payloads, then of places, where there is room. */
function drawNames(context, eye, spots) {
  for (const spot of spots) taken.push({ x: spot.x - 6, y: spot.y - 6, w: 12, h: 12 });
  context.textBaseline = "middle";
  context.lineJoin = "round";
  if (spots.length <= 40 || eye.zoom > 3) {
    context.font = `600 11px ${FONT}`;
    for (const spot of spots) if (!spot.selected) name(context, spot.name, spot.x + 8, spot.y, colour("text"));
  }
  context.font = `11.5px ${FONT}`;
  const rank = eye.zoom > 4 ? 3 : eye.zoom > 1.6 ? 2 : 1;
  for (const [text, lat, lon, need] of PLACES) {
    if (need > rank) continue;
    const at = eye.place(lat, lon);
    if (!at || at[0] < 0 || at[1] < 0 || at[0] > eye.width || at[1] > eye.height) continue;
    if (eye.kind === "globe" && eye.zoom < 1.5 && Math.hypot(at[0] - eye.width / 2, at[1] - eye.height / 2) > eye.k * 0.93) continue;
    if (!name(context, text, at[0] + 6, at[1], colour("place"))) continue;
    context.fillStyle = colour("place");
    context.fillRect(at[0] - 1.5, at[1] - 1.5, 3, 3);
  }
}

function name(context, text, x, y, fill) {
  const w = context.measureText(text).width;
  const place = { x, y: y - 7, w, h: 14 };
  if (taken.some((other) => overlap(other, place))) return false;
  taken.push(place);
  context.strokeStyle = colour("sea-edge");
  context.globalAlpha = 0.75;
  context.lineWidth = 3;
  context.strokeText(text, x, y);
  context.globalAlpha = 1;
  context.fillStyle = fill;
  context.fillText(text, x, y);
  return true;
}

const overlap = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

function drawAreas(context, eye, path) {
  const alerting = new Set(activeAlerts().map((alert) => alert.evidence?.area).filter(Boolean));
  for (const area of model.areas?.features ?? []) {
    if (area.properties?.kind === "country") continue;
    const hot = alerting.has(area.properties?.name);
    context.beginPath();
    path(area);
    context.fillStyle = colour(hot ? "bad" : "warn");
    context.globalAlpha = hot ? 0.2 : 0.1;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = colour(hot ? "bad" : "warn");
    context.setLineDash([5, 4]);
    context.lineWidth = 1.4;
    context.stroke();
    context.setLineDash([]);
    label(context, path.centroid(area), area.properties?.name, hot ? "bad" : "warn");
  }
}

function label(context, [x, y], text, tone) {
  if (!text || !Number.isFinite(x)) return;
  context.font = `600 11px ${FONT}`;
  context.textBaseline = "middle";
  name(context, text, x - context.measureText(text).width / 2, y, colour(tone));
}

/** Where the payload said it is heading: waypoints it named, and the leg to the next. */
function drawPlan(context, eye, path, placeOf) {
  const points = waypointsOf(view.payload);
  const track = selectedTrack();
  if (!points.length || !track?.length || !placeOf(model.payloads.get(view.payload), track)) return;
  const [lat, lon] = track.latLon(0);
  const line = [[lon, lat], ...points.map((point) => [point.lon, point.lat])];
  context.setLineDash([2, 5]);
  context.lineCap = "round";
  context.strokeStyle = colour("text");
  context.lineWidth = 1.6;
  context.beginPath();
  path({ type: "LineString", coordinates: line });
  context.stroke();
  context.setLineDash([]);
  context.lineCap = "butt";
  for (const { lat: south, lon: east, number } of points) {
    const at = eye.place(south, east);
    if (!at) continue;
    context.strokeStyle = colour("text");
    context.lineWidth = 1.2;
    context.strokeRect(at[0] - 3, at[1] - 3, 6, 6);
    context.font = `600 11px ${FONT}`;
    context.textBaseline = "middle";
    name(context, `W${number}`, at[0] + 8, at[1], colour("text"));
  }
}

/** Ahead: a dashed line through the predicted points, each with its circle of uncertainty. */
function drawPrediction(context, eye, path, placeOf) {
  const prediction = model.predictions.get(view.payload);
  const place = placeOf(model.payloads.get(view.payload), selectedTrack());
  if (!prediction || !place) return;
  const points = [...prediction.points, ...(prediction.landing ? [{ ...prediction.landing, label: "landing" }] : [])]
    .filter((point) => !(Date.parse(point.at) <= place[4])).sort((a, b) => a.hours - b.hours);
  if (!points.length) return;
  const line = [[place[1], place[0]], ...points.map((point) => [point.lon_deg, point.lat_deg])];
  context.strokeStyle = colour("accent");
  context.lineWidth = 1.5;
  context.setLineDash([5, 4]);
  context.beginPath();
  path({ type: "LineString", coordinates: line });
  context.stroke();
  context.setLineDash([]);
  for (const point of points) {
    const radius = (point.radius_m ?? 0) / EARTH_M / RAD;
    if (radius > 0) {
      context.beginPath();
      path(geoCircle().center([point.lon_deg, point.lat_deg]).radius(Math.min(90, radius)).precision(4)());
      context.fillStyle = colour("accent");
      context.globalAlpha = 0.12;
      context.fill();
      context.globalAlpha = 0.8;
      context.stroke();
      context.globalAlpha = 1;
    }
    const at = eye.place(point.lat_deg, point.lon_deg);
    if (at) label(context, [at[0], at[1] + 15], point.label ?? `+${Math.round(point.hours)} h`, "accent");
  }
}

function drawPictures(context, eye) {
  context.fillStyle = colour("kept");
  context.strokeStyle = colour("casing");
  context.lineWidth = 1;
  let [px, py] = [-Infinity, -Infinity];
  for (const picture of model.pictures) {
    if (picture.lat_deg === null || (!when.live && Date.parse(picture.taken_at) > when.time)) continue;
    const at = eye.place(picture.lat_deg, picture.lon_deg);
    if (!at || (Math.hypot(at[0] - px, at[1] - py) < PICTURE_PX && picture.sha256 !== view.picture)) continue;
    [px, py] = at;
    context.beginPath();
    context.rect(at[0] - 3, at[1] - 3, 6, 6);
    context.fill();
    context.stroke();
    hits.push({ x: at[0], y: at[1], picture: picture.sha256 });
  }
}

function drawAlerts(context, eye) {
  for (const alert of activeAlerts()) {
    if (alert.lat_deg === null || alert.lat_deg === undefined || alert.severity === "info") continue;
    if (!when.live && Date.parse(alert.begin_at) > when.time) continue;
    const at = eye.place(alert.lat_deg, alert.lon_deg);
    if (!at) continue;
    context.beginPath();
    context.moveTo(at[0], at[1] - 8);
    context.lineTo(at[0] + 6, at[1] + 3);
    context.lineTo(at[0] - 6, at[1] + 3);
    context.closePath();
    context.fillStyle = colour("bad");
    context.fill();
    context.strokeStyle = colour("casing");
    context.lineWidth = 1;
    context.stroke();
  }
}

function drawCursor(context, eye) {
  if (view.cursor === null) return;
  const point = selectedTrack()?.at(view.cursor);
  const at = point && eye.place(point[1], point[2]);
  if (!at) return;
  context.beginPath();
  context.arc(at[0], at[1], 7, 0, 2 * Math.PI);
  context.strokeStyle = colour("text");
  context.lineWidth = 2;
  context.stroke();
}

function drawMeasure(context, eye, path) {
  const { from, to } = view.measure ?? {};
  if (!from) return;
  context.strokeStyle = colour("text");
  context.lineWidth = 1.6;
  context.setLineDash([6, 4]);
  context.beginPath();
  path({ type: "LineString", coordinates: [[from[1], from[0]], [to[1], to[0]]] });
  context.stroke();
  context.setLineDash([]);
  const end = eye.place(...to);
  if (!end) return;
  const text = measureText();
  context.font = `650 12px ${FONT}`;
  box(context, end[0] + 10, end[1] - 12, context.measureText(text).width + 16, 23, { fill: colour("panel"), edge: colour("line-strong") });
  context.fillStyle = colour("text");
  context.textBaseline = "middle";
  context.fillText(text, end[0] + 18, end[1]);
}
