/**
 * The plan as the payload told it: each navigation message names the next waypoint with distance and
 * bearing, so where it was then says where that waypoint is. Nothing is assumed that did not cross.
 */

import { get, Trouble } from "./api.js";
import { destination } from "./map/sphere.js";
import { model, view } from "./model.js";
import { touch } from "./signals.js";

const LOOKS = 16; // moments of the flight at which to ask

/** Learn the waypoints of the flight of `payload` that is on show. */
export async function loadPlan(payload) {
  const track = model.tracks.get(payload);
  if (!track?.length || model.plans.get(payload)?.flight === track.flight) return;
  const waypoints = new Map();
  model.plans.set(payload, { flight: track.flight, waypoints });
  const [from, until] = [track.firstTime, track.lastTime];
  for (let look = 1; look <= LOOKS; look += 1) {
    if (view.payload !== payload) break;
    await lookAt(track, waypoints, from + ((until - from) * look) / LOOKS + 1);
  }
  touch("map");
}

/** The stream said which waypoint is next: look once where it is when it is a new one. */
export async function noteWaypoint(payload, number) {
  const plan = model.plans.get(payload);
  const track = model.tracks.get(payload);
  if (!plan || !track || number === null || number === undefined || plan.waypoints.has(number)) return;
  plan.waypoints.set(number, null); // asked
  await lookAt(track, plan.waypoints, track.lastTime + 60_000);
  touch("map");
}

async function lookAt(track, waypoints, time) {
  try {
    const { messages } = await get("messages", { payload: track.payload, flight: track.flight, kind: "navigation", until: new Date(time).toISOString(), limit: 1 });
    const [message] = messages;
    if (!Number.isFinite(message?.waypoint_distance_m)) return;
    const place = track.at(Date.parse(message.measured_at));
    if (!place) return;
    const [lat, lon] = destination([place[1], place[2]], message.waypoint_bearing_deg, message.waypoint_distance_m);
    const known = waypoints.get(message.waypoint);
    if (!known || known.distance > message.waypoint_distance_m) waypoints.set(message.waypoint, { number: message.waypoint, lat, lon, distance: message.waypoint_distance_m });
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
  }
}

/** Waypoints that are known, in their order. */
export function waypointsOf(payload) {
  return [...(model.plans.get(payload)?.waypoints.values() ?? [])].filter(Boolean).sort((a, b) => a.number - b.number);
}
