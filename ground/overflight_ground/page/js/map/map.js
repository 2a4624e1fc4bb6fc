/** The map: three stacked canvases (land, tracks, marks), drawn when something changed, never else. */

import { Trouble } from "../api.js";
import { button, colour, h, say } from "../dom.js";
import { model, selected, selectedTrack, toggleLayer, view } from "../model.js";
import { on, touch } from "../signals.js";
import { cutTime, shownTime, when } from "../when.js";
import { backdrop } from "./backdrop.js";
import { Eye, PACIFIC } from "./eye.js";
import { gestures } from "./gestures.js";
import { drawBase, hasLand, loadLand } from "./land.js";
import { drawMarks } from "./marks.js";
import { scaleBar } from "./scale.js";
import { traceTrack, trackColour } from "./tracks.js";
import { zoomToFit } from "./fit.js";

const REST_MS = 180; // the fine map is drawn once the view has been still so long
const FINE_MS = 900;
const SUN_STEP_MS = 60_000;
const CROWD = 20; // tracks: more than these are drawn fainter

export const eye = new Eye();
const layers = {};
let root;
let seen = "";
let sunAt = -Infinity;
let lastMove = 0;
let restTimer = 0;
let frames = 0;
let drawnOnce = 0;

/** Build the map into `element`. */
export function buildMap(element) {
  root = element;
  for (const name of ["base", "tracks", "marks"]) {
    const canvas = h("canvas", { class: `layer ${name}`, "aria-hidden": "true" });
    layers[name] = canvas.getContext("2d", { alpha: name !== "base" }); // opaque: cheaper to put together
    root.append(canvas);
  }
  const stage = h("div", { class: "stage", tabindex: "0", role: "application", "aria-roledescription": "map", "aria-label": "Map. Arrow keys move, plus and minus zoom, g follows. The positions are also in a table: key 4." });
  root.append(stage, toolbar(), footnote());
  gestures(stage, eye, { moved });
  new ResizeObserver(resize).observe(root);
  eye.kind = view.map;
  view.autoZoom = view.lat === null && eye.kind === "globe";
  if (view.lat !== null) {
    eye.look(view.lat, view.lon);
    eye.setZoom(view.zoom);
  } else if (eye.kind === "flat") eye.look(0, PACIFIC);
  on("map settings layers cursor measure", () => draw());
  on("time", () => draw());
  on("stream", askForLand);
  askForLand();
}

let asking = false;

/** Fetch the base map, and its fine form once the page stands; again with the next connection where that failed. */
async function askForLand() {
  if (asking || hasLand("fine")) return;
  asking = true;
  try {
    if (!hasLand("coarse")) await loadLand("coarse");
    redraw();
    await new Promise((done) => setTimeout(done, FINE_MS));
    await loadLand("fine");
    redraw();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
  }
  asking = false;
}

export const frameCount = () => frames;

function redraw() {
  seen = "";
  touch("map");
}

function resize() {
  const ratio = devicePixelRatio || 1;
  const { width, height } = root.getBoundingClientRect();
  if (!width || !height) return;
  for (const context of Object.values(layers)) {
    context.canvas.width = Math.round(width * ratio);
    context.canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }
  eye.resize(width, height);
  seen = "";
  draw();
}

/** A person moved the map: it no longer follows; one who only zoomed keeps following, at that zoom. */
function moved({ zoomOnly = false } = {}) {
  view.autoZoom = false;
  if (!zoomOnly && view.follow) {
    view.follow = false;
    touch("follow");
  }
  remember();
  touch("map link");
}

function remember() {
  Object.assign(view, { lat: eye.lat, lon: eye.lon, zoom: eye.zoom });
}

/** Globe or flat. */
export function setKind(kind) {
  view.map = eye.kind = kind;
  eye.setZoom(1);
  view.autoZoom = kind === "globe";
  if (kind === "flat") eye.look(0, PACIFIC);
  else follow(true);
  remember();
  touch("map link layers");
}

export function zoomBy(factor) {
  eye.zoomAt(factor, eye.width / 2, eye.height / 2);
  moved({ zoomOnly: true });
}

export function pan(dx, dy) {
  eye.drag(0, 0, dx, dy);
  moved();
}

export function setFollow(on_) {
  view.follow = on_;
  view.autoZoom = on_ && eye.kind === "globe";
  if (on_) follow(true);
  touch("map link follow");
}

/** Bring a place into the middle. */
export function goTo(lat, lon, zoom = eye.zoom) {
  view.follow = false;
  eye.setZoom(zoom);
  eye.look(lat, lon);
  remember();
  touch("map link follow");
}

/** Keep the chosen payload in the middle; the globe turns only when it is a pixel off. */
function follow(now = false) {
  if (!view.follow || (eye.kind === "flat" && eye.zoom < 1.5)) return;
  const [lat, lon] = placeOf(selected(), selectedTrack()) ?? [];
  if (lat === undefined) return;
  const at = eye.place(lat, lon);
  const off = at ? Math.hypot(at[0] - eye.width / 2, at[1] - eye.height / 2) : Infinity;
  if (now || off > 1.5) eye.look(lat, lon);
  if (view.autoZoom) {
    const zoom = zoomToFit(eye, lat, lon);
    if (Math.abs(Math.log(zoom / eye.zoom)) > 0.22) eye.setZoom(zoom);
  }
  remember();
}

/** Where a payload is at the time on show: [lat, lon, alt, speed, time], or null. */
export function placeOf(payload, track) {
  if (!payload) return null;
  if (when.live && payload.fix?.lat_deg !== null && payload.fix?.lat_deg !== undefined && !view.flight) {
    return [payload.fix.lat_deg, payload.fix.lon_deg, payload.fix.alt_msl_m, payload.motion?.speed_mps, Date.parse(payload.fix.measured_at)];
  }
  const point = track?.at(when.live ? Infinity : when.time);
  return point ? [point[1], point[2], point[3], point[4], point[0]] : null;
}

/** Draw what is needed: land only when the view changed, tracks and marks always. */
export function draw() {
  if (!root || !eye.width) return;
  follow();
  const now = performance.now();
  const key = [eye.kind, eye.lat, eye.lon, eye.k, eye.width, eye.height, document.documentElement.dataset.theme, view.layers.has("night")].join();
  const time = shownTime();
  const changed = key !== seen;
  if (changed) {
    if (seen) lastMove = now;
    seen = key;
    clearTimeout(restTimer);
    restTimer = setTimeout(() => hasLand("fine") && drawLandNow(false), REST_MS);
  }
  if (changed || Math.abs(time - sunAt) > SUN_STEP_MS) drawLandNow(now - lastMove < REST_MS);
  drawTracks(now - lastMove < REST_MS);
  drawMarks(layers.marks, eye, { placeOf });
  updateFootnote();
  frames += 1;
}

function drawLandNow(moving) {
  sunAt = shownTime();
  drawBase(layers.base, eye, { moving, layers: view.layers, time: sunAt, backdrop });
}

/** Names in order, so that each keeps its colour. */
export const payloadNames = () => [...model.payloads.keys()].sort();

function drawTracks(moving) {
  const context = layers.tracks;
  const aim = eye.aim();
  context.clearRect(0, 0, eye.width, eye.height);
  context.lineJoin = "round";
  const names = payloadNames();
  const coarse = moving ? 1.6 : 1;
  const faint = names.length > CROWD ? 0.55 : 0.75;
  const thin = moving ? 1 / (devicePixelRatio || 1) : 1; // up to a device's pixel a line is not outlined and filled: six times as quick
  names.forEach((name, n) => {
    const track = model.tracks.get(name);
    if (track && name !== view.payload) line(context, aim, track, trackColour(n), thin, faint, coarse);
  });
  const track = selectedTrack();
  if (track?.length && !drawnOnce) performance.mark("overflight:track", { startTime: (drawnOnce = performance.now()) });
  if (track) line(context, aim, track, trackColour(names.indexOf(view.payload)), 2.6, 1, coarse, true);
}

function line(context, aim, track, stroke, width, alpha, coarse, cased = false) {
  context.beginPath();
  traceTrack(context, eye, aim, track, cutTime(), coarse);
  context.globalAlpha = alpha;
  if (cased) {
    context.strokeStyle = colour("casing");
    context.lineWidth = width + 2;
    context.stroke();
  }
  context.strokeStyle = stroke;
  context.lineWidth = width;
  context.stroke();
  context.globalAlpha = 1;
}

const LAYER_BUTTONS = [["night", "Night", "n"], ["areas", "Areas", "a"], ["plan", "Plan", "p"], ["prediction", "Prediction", "o"], ["pictures", "Pictures", "i"]];

function toolbar() {
  const globe = button("Globe", { key: "f", title: "Globe or flat", onclick: () => setKind("globe") });
  const flat = button("Flat", { key: "f", title: "Flat, Pacific in the middle", onclick: () => setKind("flat") });
  const following = button("Follow", { key: "g", onclick: () => setFollow(!view.follow) });
  const buttons = LAYER_BUTTONS.map(([name, label, key]) => [name, button(label, { key, class: "layer-button", onclick: () => toggleLayer(name) })]);
  const measure = button("Measure", { key: "m", onclick: () => touch("start-measure") });
  const sync = () => {
    globe.setAttribute("aria-pressed", view.map === "globe");
    flat.setAttribute("aria-pressed", view.map === "flat");
    following.setAttribute("aria-pressed", view.follow);
    say(following, view.follow && view.payload ? `Follow ${view.payload}` : "Follow");
    for (const [name, element] of buttons) element.setAttribute("aria-pressed", view.layers.has(name));
    const none = model.predictions.get(view.payload)?.none_because;
    buttons.find(([name]) => name === "prediction")[1].title = none ? `No prediction: ${none}` : "Prediction (o)";
    measure.setAttribute("aria-pressed", Boolean(view.measure));
  };
  on("layers map select follow measure", sync);
  sync();
  const zoom = h("div", { class: "zoom" },
    button("Zoom in", { key: "+", onclick: () => zoomBy(1.6) }, "+"),
    button("Zoom out", { key: "−", onclick: () => zoomBy(1 / 1.6) }, "−"));
  return [h("div", { class: "tools", role: "toolbar", "aria-label": "Map" }, h("span", { class: "group" }, globe, flat), following, ...buttons.map(([, element]) => element), measure), zoom].reduce((fragment, part) => (fragment.append(part), fragment), new DocumentFragment());
}

let bar;
let note;

function footnote() {
  bar = h("div", { class: "scale", "aria-hidden": "true" }, h("span"));
  note = h("span", { class: "credit" });
  return h("div", { class: "footnote" }, bar, note);
}

function updateFootnote() {
  const [pixels, text] = scaleBar(eye.metresPerPixel);
  bar.style.width = `${pixels}px`;
  say(bar.firstChild, text);
  const simulated = model.health?.simulated ? " Simulated data." : "";
  say(note, `Natural Earth, public domain; de facto boundaries.${simulated}`);
}
