/** Draws tracks: one rotation of unit vectors a frame, coarse levels from afar, steps under a pixel skipped. */

import { CHUNK, lastAtOrBefore, LEVELS } from "../track.js";
import { isLight } from "../settings.js";

const DARK = ["#ffb52e", "#56b4e9", "#35d09a", "#ff8f5c", "#d58ad8", "#f2e85c", "#8fb6ff", "#e88aa0"];
const LIGHT = ["#a35f00", "#0067a8", "#00734f", "#b8400a", "#8a3391", "#6a6200", "#3d55c4", "#b02a50"];

/** The colour of the n-th payload. */
export const trackColour = (n) => (isLight() ? LIGHT : DARK)[n % DARK.length];

/** Add the line of `track`, up to `cut` ms, to the path of `context`. */
export function traceTrack(context, eye, aim, track, cut, coarse = 1) {
  const tolerance = coarse / eye.k;
  const number = LEVELS.findLastIndex((step) => step <= tolerance);
  const { rows, length, data, places } = track.level(number);
  const last = cut === Infinity ? track.length - 1 : track.indexAt(cut);
  const count = cut === Infinity ? length : rows ? lastAtOrBefore(rows, length, last) + 1 : last + 1;
  if (count === 0) return;
  const seen = eye.zoom > 2 ? chunkTest(eye, aim) : null;
  const pen = (eye.kind === "globe" ? globePen : flatPen)(context, aim, coarse * coarse);
  for (let from = 0; from < count; from += CHUNK) {
    const to = Math.min(count, from + CHUNK + 1);
    if (seen && to - from > CHUNK && !seen(track.levels[number].caps.data, (from / CHUNK) * 4)) {
      pen.lift();
      continue;
    }
    for (let i = from; i < to; i += 1) {
      const at = (places ? places[i] : i) * 3;
      pen.to(data[at], data[at + 1], data[at + 2]);
    }
  }
  const { data: all } = track.xyz;
  pen.end(all[last * 3], all[last * 3 + 1], all[last * 3 + 2]);
}

/** Whether a run of points, given by its cap, can be in view. */
function chunkTest(eye, aim) {
  const reach = 2 * Math.sin((Math.min(180, eye.viewRadiusDeg()) * Math.PI) / 360);
  return (caps, at) => Math.hypot(caps[at] - aim.tx, caps[at + 1] - aim.ty, caps[at + 2] - aim.tz) < reach + caps[at + 3];
}

function globePen(context, a, least) {
  let down = false;
  let px = 0;
  let py = 0;
  const draw = (x, y, z, always) => {
    if (a.tx * x + a.ty * y + a.tz * z < 0) {
      down = false;
      return;
    }
    const sx = a.cx + a.k * (a.rx * x + a.ry * y);
    const sy = a.cy - a.k * (a.ux * x + a.uy * y + a.uz * z);
    if (!down) context.moveTo(sx, sy);
    else if (always || (sx - px) * (sx - px) + (sy - py) * (sy - py) >= least) context.lineTo(sx, sy);
    else return;
    down = true;
    px = sx;
    py = sy;
  };
  return { to: (x, y, z) => draw(x, y, z, false), end: (x, y, z) => draw(x, y, z, true), lift: () => (down = false) };
}

function flatPen(context, a, least) {
  let down = false;
  let px = 0;
  let py = 0;
  const whole = 2 * Math.PI * a.k;
  const draw = (x, y, z, always) => {
    let east = Math.atan2(y, x) - a.lon;
    if (east > Math.PI) east -= 2 * Math.PI;
    else if (east < -Math.PI) east += 2 * Math.PI;
    const sx = a.cx + a.k * east;
    const sy = a.cy - a.k * (Math.asin(z) - a.lat);
    const d = sx - px;
    if (!down) context.moveTo(sx, sy);
    else if (Math.abs(d) > whole / 2) {
      const turn = d > 0 ? -whole : whole; // over the edge: leave on one side, come in on the other
      context.lineTo(sx + turn, sy);
      context.moveTo(px - turn, py);
      context.lineTo(sx, sy);
    } else if (always || d * d + (sy - py) * (sy - py) >= least) context.lineTo(sx, sy);
    else return;
    down = true;
    px = sx;
    py = sy;
  };
  return { to: (x, y, z) => draw(x, y, z, false), end: (x, y, z) => draw(x, y, z, true), lift: () => (down = false) };
}
