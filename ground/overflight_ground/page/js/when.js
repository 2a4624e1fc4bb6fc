/**
 * The moment the page shows: live (now, always moving) or replay (a time, moved by a person or at a
 * speed). Everything else asks `when`; nothing keeps a clock of its own.
 */

import { announce } from "./dom.js";
import { model, view } from "./model.js";
import { touch } from "./signals.js";
import { dateTime, zone } from "./units.js";

export const SPEEDS = [1, 10, 60, 300, 1000];

export const when = {
  live: true,
  time: 0, // ms, in replay
  playing: false,
  speed: 60,
  from: NaN, // what there is
  until: NaN,
};

/** The newest time that any payload measured; the wall clock where there is none. */
export function newest() {
  let latest = -Infinity;
  for (const track of model.tracks.values()) latest = Math.max(latest, track.lastTime);
  for (const payload of model.payloads.values()) {
    const at = Date.parse(payload.fix?.measured_at ?? "");
    if (at > latest) latest = at;
  }
  return Number.isFinite(latest) ? latest : Date.now();
}

/** The data time on show, in ms. */
export const shownTime = () => (when.live ? newest() : when.time);

/** Tracks are drawn up to here; live has no end. */
export const cutTime = () => (when.live ? Infinity : when.time);

export function goLive() {
  if (when.live || model.session) return;
  when.live = true;
  when.playing = false;
  announce("Live");
  touch("time mode link map");
}

/** Show `time`; what was live is a replay now. */
export function seek(time, { quiet = false } = {}) {
  const wasLive = when.live;
  when.live = false;
  when.time = clamp(time);
  if (wasLive && !quiet) announce(`Replay, ${dateTime(when.time)} ${zone()}`);
  touch(wasLive ? "time mode link map" : "time link map");
}

function clamp(time) {
  const from = Number.isFinite(when.from) ? when.from : time;
  const until = Math.max(from, Number.isFinite(when.until) ? when.until : time, model.session ? -Infinity : newest());
  return Math.min(until, Math.max(from, time));
}

export function play(on = !when.playing) {
  if (when.live) {
    seek(newest());
    when.playing = false;
  } else {
    when.playing = on;
    if (on && when.time >= lastTime()) when.time = Number.isFinite(when.from) ? when.from : when.time;
    if (on) run();
  }
  touch("time mode link");
}

export const lastTime = () => Math.max(Number.isFinite(when.until) ? when.until : -Infinity, model.session ? -Infinity : newest());

export function setSpeed(speed) {
  when.speed = speed;
  if (!when.live && !when.playing) play(true);
  touch("time mode link");
}

let running = false;

function run() {
  if (running) return;
  running = true;
  let before = performance.now();
  const tick = (now) => {
    if (when.live || !when.playing) {
      running = false;
      return;
    }
    when.time += Math.min(250, now - before) * when.speed;
    before = now;
    if (when.time >= lastTime()) {
      when.time = lastTime();
      when.playing = false;
      announce("End of what is recorded");
      touch("mode link");
    }
    touch("time map");
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

/** Go to the next (or, −1, previous) point of the payload that is chosen. */
export function step(direction) {
  const track = model.tracks.get(view.payload) ?? [...model.tracks.values()][0];
  if (!track?.length) return;
  const from = shownTime();
  when.playing = false;
  let index = track.indexAt(from);
  index = direction > 0 ? Math.min(track.length - 1, index + 1) : Math.max(0, track.time.data[index] < from ? index : index - 1);
  seek(track.time.data[index]);
  touch("mode");
}

/** Go to the begin of the next (or previous) alert. */
export function nextAlert(direction) {
  const times = [...model.alerts.values()].map((alert) => Date.parse(alert.begin_at)).filter(Number.isFinite).sort((a, b) => a - b);
  const at = shownTime();
  const target = direction > 0 ? times.find((time) => time > at + 1) : times.findLast((time) => time < at - 1);
  if (target === undefined) {
    announce(direction > 0 ? "No later alert" : "No earlier alert");
    return;
  }
  when.playing = false;
  seek(target);
  touch("mode");
}
