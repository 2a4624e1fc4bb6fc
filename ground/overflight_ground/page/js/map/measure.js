/** Measure along a great circle: two clicks; Escape ends it. */

import { announce } from "../dom.js";
import { view } from "../model.js";
import { touch } from "../signals.js";
import { bearing, distance } from "../units.js";
import { bearingDeg, distanceM } from "./sphere.js";

/** Start, or end where it was on. */
export function startMeasure() {
  view.measure = view.measure ? null : { from: null, to: null, done: false };
  if (view.measure) announce("Measure: click two places on the map, Escape ends");
  touch("measure map");
}

export function stopMeasure() {
  if (!view.measure) return false;
  view.measure = null;
  touch("measure map");
  return true;
}

export function measureClick(place) {
  const { measure } = view;
  if (!measure.from || measure.done) view.measure = { from: place, to: place, done: false };
  else Object.assign(measure, { to: place, done: true });
  if (view.measure.done) announce(measureText());
  touch("measure");
}

export function measureMove(place) {
  if (!view.measure.from || view.measure.done) return;
  view.measure.to = place;
  touch("measure");
}

/** "812 km, 074°", or null while there is nothing to say. */
export function measureText() {
  const { from, to } = view.measure ?? {};
  if (!from || !to) return null;
  return `${distance(distanceM(from, to))}, ${bearing(bearingDeg(from, to))}`;
}
