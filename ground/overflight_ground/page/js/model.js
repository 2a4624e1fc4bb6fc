/** What the page knows. Panels read it; `feed.js` and people's choices change it, then `touch` a topic. */

import { Ring } from "./ring.js";
import { touch } from "./signals.js";
import { when } from "./when.js";

export const WIRE_LINES = 5000;

export const model = {
  payloads: new Map(), // name → as /payloads has it, and `heard` (wall ms of the last message)
  tracks: new Map(), // name → Track of the flight shown
  flights: [], // as /flights has them
  alerts: new Map(), // id → alert
  areas: null, // GeoJSON
  predictions: new Map(), // name → as /prediction has it
  plans: new Map(), // name → { flight, waypoints }
  pictures: [],
  split: null,
  soFar: null, // name → running total of the audit
  health: null,
  rates: { messages: 0, bytes: 0 },
  arrivals: new Ring(WIRE_LINES),
  provider: new Ring(WIRE_LINES),
  hasProvider: false,
  stream: "connecting", // connecting, open, closed, hidden
  streamAgain: 0,
  loaded: false,
  troubles: new Map(), // panel → sentence
  session: null, // { id, name } while a session file is open
};

/** What a person looks at; all of it is in the URL. */
export const view = {
  payload: null,
  flight: null, // null: the newest
  map: "globe",
  lon: null,
  lat: null,
  zoom: 1,
  follow: true,
  autoZoom: true, // until a person zooms
  layers: new Set(["night", "areas", "names", "plan", "prediction", "pictures"]),
  tab: "charts",
  fleetFilter: "",
  wireFilter: "",
  wireSource: null, // null: the provider's view where there is one
  wide: false,
  tall: false,
  panel: "map", // on small screens
  packet: null, // the line of the wire that is open
  cursor: null, // data time under the pointer, in ms
};

export const selected = () => model.payloads.get(view.payload) ?? null;
export const selectedTrack = () => model.tracks.get(view.payload) ?? null;
export const activeAlerts = () => [...model.alerts.values()].filter((alert) => !alert.end_at);

/** Choose a payload: everything on the page is about it. */
export function select(payload, { follow = true } = {}) {
  if (view.payload === payload) {
    view.follow = view.follow || follow;
  } else {
    view.payload = payload;
    view.flight = null;
    view.follow = follow;
    view.cursor = null;
  }
  touch("select link map");
}

export function toggleLayer(name) {
  if (!view.layers.delete(name)) view.layers.add(name);
  touch("layers link map");
}

export function setCursor(time) {
  if (view.cursor === time) return;
  view.cursor = time;
  touch("cursor");
}

/** Say that a panel is in trouble, or (null) that it is well again. */
export function trouble(panel, sentence) {
  if ((model.troubles.get(panel) ?? null) === sentence) return;
  if (sentence) model.troubles.set(panel, sentence);
  else model.troubles.delete(panel);
  touch(`trouble ${panel}`);
}

/** States of a payload, worst first: trouble is at the top of the fleet. */
export const STATES = ["alert", "stale", "late", "ok", "landed"];

export const STATE_WORDS = { alert: "alert", stale: "silent", late: "late", ok: "on time", landed: "landed" };

/** Seconds since a payload was last heard, by this machine's clock. */
export function ageS(payload) {
  if (payload.heard) return Math.max(0, (Date.now() - payload.heard) / 1000);
  return payload.age_s ?? NaN;
}

/** The state now: the ground's word, made worse by silence since. A replay knows no lateness. */
export function stateOf(payload) {
  if (!when.live) return "ok";
  const said = payload.state ?? "ok";
  if (said !== "ok") return said;
  const rhythm = payload.rhythm_s;
  if (!rhythm) return said;
  const age = ageS(payload);
  return age > Math.max(30, rhythm * 12) ? "stale" : age > Math.max(5, rhythm * 4) ? "late" : said;
}
