/** Keeps the model in step with the ground: what is stored first, then the live stream, gaps closed. */

import { arrival } from "./arrival.js";
import { loadPictures, loadPrediction, loadSoFar, loadSplit } from "./chosen.js";
import { announce } from "./dom.js";
import { load } from "./load.js";
import { wound } from "./map/areas.js";
import { model, select, STATES, stateOf, trouble, view } from "./model.js";
import { on, touch } from "./signals.js";
import { loadPlan, noteWaypoint } from "./plan.js";
import { Stream } from "./stream.js";
import { Track } from "./track.js";
import { when } from "./when.js";

const OVERVIEW_POINTS = { chosen: 1500, other: 500 };
const MOST_OF_OTHERS = 500; // points in memory of a payload that is not the chosen one
const SHORT_FLIGHT = 20_000; // messages: all of it is asked for at once
const NEAR = 6; // from this zoom on the overview of a long track is too coarse
const AT_ONCE = 3;
const OVERLAP_MS = 5000;
const FILL_MS = 1000;

const pendingMotion = new Map();
let loading = null;

/** Follow the stream and load what is stored; in this order, so that nothing falls between. */
export async function start() {
  const stream = new Stream({ onEvent, onState });
  stream.start();
  await refresh();
  setInterval(() => !document.hidden && slowly(), 15_000);
  setInterval(() => !document.hidden && model.stream === "open" && when.live && loadTimeline(), 4000);
  setInterval(() => {
    countRates([]);
    if (!document.hidden) touch("age");
  }, 1000);
  on("select", () => loadSelected());
  on("mode link", wholeWhenWanted);
  return stream;
}

/** Everything that is not in the stream, and a look whether the stream left something out. */
async function slowly() {
  if (model.stream !== "open" && !model.session) return;
  await Promise.all([loadHealth(), loadPayloads(), loadTimeline(), loadSplit(), loadSoFar(), loadPrediction()]);
}

/** Load again all that is on show; tracks only from where they end. */
export async function refresh() {
  loading ??= (async () => {
    await Promise.all([loadPayloads(), model.tracks.size || loadOverviews()]);
    choosePayload();
    if (view.payload) await loadTrack(view.payload, true); // the map first
    await Promise.all([loadHealth(), loadAlerts(), loadArrivals(), loadTimeline(), loadSelected(), loadAreas(), loadFlights()]);
    loadSoFar(); // takes the ground a while: nothing waits for it
    await loadTracks();
  })().finally(() => (loading = null));
  return loading;
}

function choosePayload() {
  if (model.payloads.has(view.payload)) return;
  const [worst] = [...model.payloads.values()].sort((a, b) => STATES.indexOf(stateOf(a)) - STATES.indexOf(stateOf(b)) || a.payload.localeCompare(b.payload));
  if (worst) select(worst.payload);
}

function loadPayloads() {
  return load("fleet", "payloads", {}, ({ payloads }) => {
    const names = new Set();
    for (const payload of payloads) {
      names.add(payload.payload);
      const before = model.payloads.get(payload.payload);
      const heard = Number.isFinite(payload.age_s) ? Date.now() - payload.age_s * 1000 : NaN;
      model.payloads.set(payload.payload, { ...payload, heard: Math.max(before?.heard || 0, heard || 0) });
    }
    for (const name of model.payloads.keys()) if (!names.has(name)) model.payloads.delete(name);
    model.loaded = true;
    touch("fleet time");
  });
}

const loadHealth = () =>
  load("top", "health", {}, (health) => {
    model.health = health;
    touch("health");
  });

const loadAlerts = () =>
  load("alerts", "alerts", {}, ({ alerts }) => {
    model.alerts = new Map(alerts.map((alert) => [alert.id, alert]));
    touch("alerts map");
  });

const loadAreas = () =>
  load("areas", "areas", {}, (areas) => {
    model.areas = { ...areas, features: (areas.features ?? []).map(wound) };
    touch("areas map");
  });

const loadFlights = () =>
  load("flights", "flights", {}, ({ flights }) => {
    model.flights = flights;
    touch("flights");
  });

/** So many bins that each holds a few messages at the rhythm of the flight. */
function binCount() {
  const track = model.tracks.get(view.payload);
  if (!(track?.length > 8)) return 60;
  const steps = Array.from({ length: Math.min(60, track.length - 1) }, (_, i) => track.time.data[track.length - 1 - i] - track.time.data[track.length - 2 - i]);
  const rhythm = steps.sort((a, b) => a - b)[steps.length >> 1] || 1000;
  const span = Math.max(1, track.lastTime - Math.min(track.firstTime, when.from || Infinity));
  return Math.max(24, Math.min(240, Math.floor(span / rhythm / 3)));
}

export const loadTimeline = () =>
  load("timeline", "timeline", { bins: binCount() }, (timeline) => {
    const from = Date.parse(timeline.start);
    const until = Date.parse(timeline.end);
    if (!Number.isFinite(from)) return;
    model.timeline = { from, until, counts: timeline.bins };
    Object.assign(when, { from, until });
    touch("timeline");
  });

/** The newest lines of the wire that the page does not have yet, put in their place. */
const loadArrivals = () =>
  load("wire", "messages", { limit: model.arrivals.items.length ? 1000 : 200 }, ({ messages }) => {
    const known = new Set(model.arrivals.items.map((line) => line.id));
    const missed = messages.filter((message) => !known.has(message.id));
    if (!missed.length) return;
    const lines = [...model.arrivals.items, ...missed.map((message) => arrival(message, message.received_at))];
    model.arrivals.clear();
    model.arrivals.push(...lines.sort((a, b) => a.at_ms - b.at_ms || (a.id ?? 0) - (b.id ?? 0)));
    touch("wire");
  });

function loadSelected() {
  const payload = view.payload;
  if (!payload) return Promise.resolve();
  return Promise.all([loadSplit(), loadPictures(), loadPrediction(), loadTrack(payload, true).then(() => void loadPlan(payload))]);
}

/** Tracks of the whole fleet, chosen first, a few at once; long ones simplified. */
async function loadTracks() {
  const names = [...model.payloads.keys()].sort((a, b) => (b === view.payload) - (a === view.payload));
  const workers = Array.from({ length: AT_ONCE }, async () => {
    for (let name = names.shift(); name; name = names.shift()) await loadTrack(name, false);
  });
  await Promise.all(workers);
}

function wholeWhenWanted() {
  const payload = model.payloads.get(view.payload);
  const track = model.tracks.get(view.payload);
  if (payload && track?.loaded && !track.complete && !track.busy && wantsWhole(payload)) loadTrack(view.payload, true);
}

/** Whether every point is wanted: of a short flight always, of a long one when looked at closely. */
const wantsWhole = (payload) => (payload.messages ?? 0) <= SHORT_FLIGHT || !when.live || view.zoom > NEAR;

/** Load one track: an overview, all of it, or what is new since it was last loaded. */
async function loadTrack(name, chosen) {
  const payload = model.payloads.get(name);
  if (!payload) return;
  const flight = (name === view.payload && view.flight) || payload.flight;
  const track = trackOf(name, flight);
  while (track.busy) await track.busy; // somebody asks already: then what is still wanted
  track.busy = fetchTrack(track, payload, chosen).finally(() => (track.busy = null));
  await track.busy;
}

async function fetchTrack(track, payload, chosen) {
  const whole = chosen && !track.complete && wantsWhole(payload);
  const points = OVERVIEW_POINTS[chosen ? "chosen" : "other"];
  if (!track.loaded || (chosen && !whole && track.asked < points)) {
    track.loaded = (await rows(track, "overview", { points }, track.loaded)) || track.loaded;
    track.asked = points;
  }
  if (!track.loaded) return;
  if (whole) {
    track.complete = await rows(track, "track", {}, true);
  } else if (track.stale) {
    await rows(track, "track", { since: new Date(track.lastTime - OVERLAP_MS).toISOString() });
    if (track.complete && track.length < (payload.messages ?? 0) / 2 - 5) track.complete = await rows(track, "track", {}, true);
  }
  track.stale = false;
}

async function rows(track, path, parameters, replace = false) {
  return load("map", `payloads/${track.payload}/${path}`, { flight: track.flight, ...parameters }, (answer) => {
    const points = pointsOf(answer.columns, answer.rows);
    const since = replace ? [...track.points()].filter((point) => point[0] > (points.at(-1)?.[0] ?? -Infinity)) : [];
    if (replace) track.clear();
    track.add(points);
    track.add(since);
    touch("tracks map");
  });
}

function pointsOf(columns, rows_) {
  const order = ["measured_at_ms", "lat_deg", "lon_deg", "alt_msl_m", "speed_mps", "climb_mps"].map((name) => columns.indexOf(name));
  return rows_.map((row) => order.map((index) => row[index]));
}

/** The fleet at a glance, in one request: what the first picture shows. */
const loadOverviews = () =>
  load("map", "overviews", {}, ({ columns, points, tracks }) => {
    for (const { payload, flight, rows: found } of tracks) {
      const other = payload === view.payload && view.flight && view.flight !== flight; // the link names another flight
      if (other || (model.tracks.get(payload)?.flight ?? flight) !== flight) continue; // or the stream knows a newer one
      const track = trackOf(payload, flight);
      track.add(pointsOf(columns, found));
      Object.assign(track, { loaded: true, asked: points });
    }
    touch("tracks map");
  });

/** The track of this flight; one of another flight is put aside. */
export function trackOf(name, flight) {
  let track = model.tracks.get(name);
  if (!track || track.flight !== flight) {
    track = new Track(name, flight);
    model.tracks.set(name, track);
  }
  return track;
}

let toldLost = false;

function onState(state, { again }) {
  model.stream = state;
  model.streamAgain = again ? Date.now() + again : 0;
  if (state === "open" && again) {
    for (const track of model.tracks.values()) track.stale = true;
    refresh();
    announce("Connected again");
  }
  if (state === "open") toldLost = false;
  if (state === "closed" && !toldLost) {
    toldLost = true; // once, not at each attempt
    announce("The connection to the ground is lost", true);
  }
  touch("health stream");
}

/** Take one event of the stream; benchmarks feed hours of them. */
export function onEvent(name, data) {
  if (model.session) return; // a session is on show: live goes on, unseen
  if (name === "batch") onBatch(data);
  else if (name === "provider") onProvider(data);
  else if (name === "alert") onAlert(data);
  else if (name === "kept") Promise.all([loadSplit(), loadPictures()]);
}

function onBatch({ positions = [], navigation = [], wire = [], counters, thinned = 1, wire_missed: missed = 0 }) {
  for (const position of positions) onPosition(position);
  for (const motion of navigation) onNavigation(motion);
  if (wire.length) model.arrivals.push(...wire);
  if (counters) Object.assign((model.health ??= {}), counters);
  countRates(wire);
  if (thinned > 1) catchUpSoon();
  if (missed) filling ||= setTimeout(() => ((filling = 0), loadArrivals()), FILL_MS);
  touch("fleet tracks map time wire health");
}

let soon = 0;
let filling = 0; // the stream left lines of the wire out: they are asked for

/** The stream left points out (much arrived at once): ask for the tracks when it is over. */
function catchUpSoon() {
  clearTimeout(soon);
  soon = setTimeout(() => {
    for (const track of model.tracks.values()) track.complete = false;
    refresh();
  }, 2000);
}

function onNavigation(motion) {
  const payload = model.payloads.get(motion.payload);
  if (payload?.flight === motion.flight) {
    payload.motion = { ...payload.motion, ...motion };
    payload.phase = motion.phase ?? payload.phase;
    payload.heard = Date.now();
    if (view.flight === null || motion.payload !== view.payload) model.tracks.get(motion.payload)?.setMotion(motion.measured_at_ms, motion.speed_mps, motion.climb_mps);
  }
  pendingMotion.set(motion.payload, motion);
  if (motion.payload === view.payload) noteWaypoint(motion.payload, motion.waypoint);
}

function onPosition(position) {
  let payload = model.payloads.get(position.payload);
  if (!payload || payload.flight !== position.flight) {
    payload = { payload: position.payload, state: "ok", messages: 0, bytes: 0, flight: position.flight };
    model.payloads.set(position.payload, payload);
    if (!view.payload) select(position.payload);
    announce(`${position.payload} is heard`);
    loadPayloads();
    loadFlights();
  }
  payload.heard = Date.now();
  payload.messages = (payload.messages ?? 0) + 1;
  const measured = position.measured_at_ms;
  if (!(Date.parse(payload.fix?.measured_at) > measured)) {
    payload.fix = { ...position, measured_at: new Date(measured).toISOString() };
  }
  if (position.payload === view.payload && view.flight && view.flight !== position.flight) return;
  const motion = pendingMotion.get(position.payload);
  const close = motion && motion.flight === position.flight && motion.measured_at_ms === measured ? motion : {};
  const track = trackOf(position.payload, position.flight);
  track.add([[measured, position.lat_deg, position.lon_deg, position.alt_msl_m, close.speed_mps, close.climb_mps]]);
  if (when.live && position.payload !== view.payload) track.thin(MOST_OF_OTHERS); // all of it comes when it is chosen
}

function onProvider(packets) {
  model.hasProvider = true;
  model.provider.push(...packets);
  touch("wire");
}

function onAlert(alert) {
  const known = model.alerts.has(alert.id);
  model.alerts.set(alert.id, alert);
  if (!known && !alert.end_at) announce(`${alert.payload ?? ""} ${alert.title ?? alert.kind}`.trim(), alert.severity !== "info");
  touch("alerts map fleet");
}

const recent = [];

function countRates(wire) {
  const now = performance.now();
  recent.push([now, wire.length, wire.reduce((sum, line) => sum + line.size, 0)]);
  while (recent.length && recent[0][0] < now - 5000) recent.shift();
  const seconds = Math.max(1, Math.min(5, (now - recent[0][0]) / 1000));
  model.rates.messages = recent.reduce((sum, [, n]) => sum + n, 0) / seconds;
  model.rates.bytes = recent.reduce((sum, [, , n]) => sum + n, 0) / seconds;
}

/** Forget everything and load again: another source. */
export async function reload() {
  for (const store of [model.payloads, model.tracks, model.alerts, model.predictions, model.plans, model.troubles]) store.clear();
  model.arrivals.clear();
  Object.assign(model, { split: null, soFar: null, pictures: [], timeline: null, loaded: false });
  Object.assign(when, { from: NaN, until: NaN, playing: false });
  Object.assign(view, { flight: null, cursor: null, packet: null, picture: null });
  while (loading) await loading; // what it asked for is about another source, and is dropped
  touch("packet fleet tracks alerts wire split pictures timeline trouble map select");
  await refresh();
}
