/** The timeline: density of messages, alerts, gaps; live or replay; drag to seek. */

import { button, colour, h, icon, mark, say } from "../dom.js";
import { model, view } from "../model.js";
import { on } from "../signals.js";
import * as units from "../units.js";
import { goLive, lastTime, newest, nextAlert, play, seek, setSpeed, shownTime, SPEEDS, step, when } from "../when.js";

const TOP = 18; // alerts
const FOOT = 17; // times
let canvas;
let track;
let words;

export function buildTimeline(root) {
  canvas = h("canvas", { "aria-hidden": "true" });
  track = h("div", { class: "seek", role: "slider", tabindex: "0", "aria-label": "Time", "aria-orientation": "horizontal", "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0", "aria-valuetext": "nothing yet" }, canvas);
  words = { time: h("b"), detail: h("span", { class: "soft" }), live: button("Back to live", { key: "l", class: "back-live", onclick: goLive }), empty: h("p", { class: "empty over-timeline" }, "The timeline fills as messages arrive.") };
  track.append(words.empty);
  root.append(transport(), track, h("div", { class: "moment" }, words.time, words.detail, words.live));
  drag();
  track.addEventListener("keydown", keys);
  on("timeline time mode alerts settings cursor", draw);
  new ResizeObserver(draw).observe(track);
  draw();
}

function transport() {
  const playing = button("Play or pause", { key: "space", class: "play", onclick: () => play() }, icon("play"));
  const back = button("Step back", { key: ",", onclick: () => step(-1) }, icon("back"));
  const on_ = button("Step on", { key: ".", onclick: () => step(1) }, icon("step"));
  const speeds = SPEEDS.map((speed) => button(`${speed}×`, { title: `Replay at ${speed}×`, class: "speed", onclick: () => setSpeed(speed) }));
  const alert = button("Next alert", { key: "]", onclick: () => nextAlert(1) }, icon("alert"));
  const sync = () => {
    playing.replaceChildren(icon(when.live || when.playing ? "pause" : "play"));
    speeds.forEach((element, index) => mark(element, "aria-pressed", !when.live && when.speed === SPEEDS[index]));
    alert.disabled = !model.alerts.size;
  };
  on("mode time alerts", sync);
  sync();
  const leave = (event) => event.detail && event.target.closest("button")?.blur(); // after a click by hand, space is play or pause
  return h("div", { class: "transport", onclick: leave }, h("span", { class: "group" }, back, playing, on_), h("span", { class: "group" }, ...speeds), alert);
}

function range() {
  const from = when.from;
  const until = lastTime();
  return Number.isFinite(from) && until > from ? [from, until] : null;
}

function drag() {
  let down = false;
  const go = (event) => {
    const span = range();
    if (!span) return;
    const box = track.getBoundingClientRect();
    seek(span[0] + ((event.clientX - box.left) / box.width) * (span[1] - span[0]));
  };
  track.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    down = true;
    track.setPointerCapture(event.pointerId);
    go(event);
  });
  track.addEventListener("pointermove", (event) => down && go(event));
  track.addEventListener("pointerup", () => (down = false));
  track.addEventListener("pointercancel", () => (down = false));
}

function keys(event) {
  const span = range();
  if (!span) return;
  const step_ = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
  const target = event.key === "Home" ? span[0] : event.key === "End" ? span[1] : step_ ? shownTime() + (step_ * (span[1] - span[0])) / 200 : null;
  if (target === null) return;
  event.preventDefault();
  event.stopPropagation();
  seek(target);
}

function draw() {
  const { width, height } = track.getBoundingClientRect();
  if (!width) return;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const span = range();
  words.empty.hidden = Boolean(span);
  say(words.time, span ? `${units.clockTime(shownTime())} ${units.zone()}` : "");
  say(words.detail, span ? momentText(span) : "");
  words.live.hidden = when.live || Boolean(model.session);
  if (!span) return;
  accessible(span);
  const x = (time) => ((time - span[0]) / (span[1] - span[0])) * width;
  bars(context, height, x);
  marks(context, width, height, span, x);
  alerts(context, x);
  now(context, height, x);
}

function momentText([from, until]) {
  const whole = units.duration((until - from) / 1000);
  return when.live ? `${whole} so far` : `${units.duration((shownTime() - from) / 1000)} of ${whole}`;
}

function accessible([from, until]) {
  mark(track, "aria-valuemin", Math.round(from / 1000));
  mark(track, "aria-valuemax", Math.round(until / 1000));
  mark(track, "aria-valuenow", Math.round(shownTime() / 1000));
  mark(track, "aria-valuetext", `${units.dateTime(shownTime())} ${units.zone()}, ${when.live ? "live" : "replay"}`);
}

function bars(context, height, x) {
  const line = model.timeline;
  if (!line?.counts?.length) return;
  const { from } = line;
  const step_ = (line.until - from) / line.counts.length;
  const most = line.counts.reduce((a, b) => Math.max(a, b), 1);
  const shown = when.live ? Infinity : when.time;
  const tall = height - TOP - FOOT;
  line.counts.forEach((count, index) => {
    const at = from + index * step_;
    const left = x(at);
    const wide = Math.max(1, x(at + step_) - left - 1);
    const bar = count ? Math.max(2, (count / most) * tall) : 0;
    context.fillStyle = colour("accent");
    context.globalAlpha = at <= shown ? 0.75 : 0.22;
    context.fillRect(left, TOP + tall - bar, wide, bar);
    if (!count && !(line.counts[index - 1] && line.counts[index + 1])) gap(context, left, TOP + tall, wide);
  });
  context.globalAlpha = 1;
  context.fillStyle = colour("line-strong");
  context.fillRect(0, TOP + tall, x(lastTime()), 1);
}

/** Where nothing was heard: a line under the bars, in the colour of a warning. */
function gap(context, left, y, wide) {
  context.globalAlpha = 1;
  context.fillStyle = colour("warn");
  context.fillRect(left, y - 3, wide + 1, 3);
}

function marks(context, width, height, span, x) {
  const [times, step_] = units.timeMarks(span[0], span[1], Math.max(2, width / 90));
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = colour("soft");
  context.textBaseline = "bottom";
  for (const time of times) {
    const text = units.axisTime(time, step_);
    const w = context.measureText(text).width;
    const left = Math.min(width - w, Math.max(0, x(time) - w / 2));
    context.fillText(text, left, height - 1);
  }
}

function alerts(context, x) {
  for (const alert of model.alerts.values()) {
    const at = x(Date.parse(alert.begin_at));
    if (Number.isNaN(at)) continue;
    context.fillStyle = colour({ info: "soft", warning: "warn" }[alert.severity] ?? "bad");
    context.globalAlpha = alert.acked_at ? 0.5 : 1;
    context.beginPath();
    context.moveTo(at, 3);
    context.lineTo(at + 5.5, 12);
    context.lineTo(at - 5.5, 12);
    context.fill();
  }
  context.globalAlpha = 1;
}

function now(context, height, x) {
  if (view.cursor !== null) {
    context.fillStyle = colour("soft");
    context.fillRect(x(view.cursor), TOP - 2, 1, height - TOP - FOOT + 2);
  }
  const at = x(when.live ? newest() : when.time);
  context.fillStyle = colour(when.live ? "good" : "warn");
  context.fillRect(Math.round(at) - (when.live ? 2 : 1), 0, 2, height - FOOT + 2);
}
