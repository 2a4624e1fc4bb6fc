/** Numbers as people read them. A missing value is a dash, never 0. */

import { settings } from "./settings.js";

const DASH = "–";
const FT = 1 / 0.3048;
const KT = 3600 / 1852;
const missing = (value) => value === null || value === undefined || Number.isNaN(value);
const aviation = () => settings.units === "aviation";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (value) => (missing(value) ? DASH : whole.format(value));

/** Altitude above mean sea level, short: "18.6 km", "850 m"; "FL 610", "2,800 ft". */
export function altitude(m) {
  if (missing(m)) return DASH;
  if (aviation()) {
    const ft = m * FT;
    return ft >= 18000 ? `FL ${Math.round(ft / 100)}` : `${whole.format(ft)} ft`;
  }
  return m >= 10000 ? `${(m / 1000).toFixed(1)} km` : `${whole.format(m)} m`;
}

export const altitudeUnit = () => (aviation() ? "ft" : "m");
export const altitudeValue = (m) => (aviation() ? m * FT : m);
export const speedUnit = () => (aviation() ? "kt" : "m/s");
export const speedValue = (mps) => (aviation() ? mps * KT : mps);
export const climbUnit = () => (aviation() ? "ft/min" : "m/s");
export const climbValue = (mps) => (aviation() ? mps * FT * 60 : mps);

export const speed = (mps) => (missing(mps) ? DASH : `${speedValue(mps).toFixed(aviation() ? 0 : 1)} ${speedUnit()}`);

export function climb(mps) {
  if (missing(mps)) return DASH;
  const value = climbValue(mps);
  const text = aviation() ? whole.format(Math.abs(value)) : Math.abs(value).toFixed(1);
  return `${value < 0 ? "−" : "+"}${text} ${climbUnit()}`;
}

/** A distance along the ground. */
export function distance(m) {
  if (missing(m)) return DASH;
  if (aviation()) return m < 1852 ? `${whole.format(m * FT)} ft` : `${precise(m / 1852)} NM`;
  return m < 1000 ? `${whole.format(m)} m` : `${precise(m / 1000)} km`;
}

const precise = (value) => (value < 10 ? value.toFixed(1) : whole.format(value));

export function bytes(n) {
  if (missing(n)) return DASH;
  const names = ["B", "kB", "MB", "GB", "TB"];
  let index = 0;
  let value = n;
  while (value >= 999.5 && index < names.length - 1) {
    value /= 1000;
    index += 1;
  }
  const digits = index === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${names[index]}`;
}

/** How long: "8 s", "3 min", "2 h 05", "6 d 4 h". */
export function duration(s) {
  if (missing(s)) return DASH;
  const value = Math.max(0, Math.round(s));
  if (value < 100) return `${value} s`;
  if (value < 5400) return `${Math.round(value / 60)} min`;
  if (value < 172800) return `${Math.floor(value / 3600)} h ${pad(Math.floor((value % 3600) / 60))}`;
  return `${Math.floor(value / 86400)} d ${Math.floor((value % 86400) / 3600)} h`;
}

const pad = (n, width = 2) => String(n).padStart(width, "0");

function fields(ms) {
  const date = new Date(ms);
  if (settings.clock === "utc") {
    return [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds(), date.getUTCMilliseconds()];
  }
  return [date.getFullYear(), date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds(), date.getMilliseconds()];
}

export const zone = () => (settings.clock === "utc" ? "UTC" : "local");

export function clockTime(ms) {
  if (missing(ms)) return DASH;
  const [, , , hour, minute, second] = fields(ms);
  return `${pad(hour)}:${pad(minute)}:${pad(second)}`;
}

export const clockMillis = (ms) => (missing(ms) ? DASH : `${clockTime(ms)}.${pad(fields(ms)[6], 3)}`);

export function dateTime(ms) {
  if (missing(ms)) return DASH;
  const [year, month, day] = fields(ms);
  return `${year}-${pad(month)}-${pad(day)} ${clockTime(ms)}`;
}

export function shortDate(ms) {
  const [, month, day] = fields(ms);
  return `${pad(month)}-${pad(day)}`;
}

/** A label for an axis of time whose marks are `stepMs` apart. */
export function axisTime(ms, stepMs) {
  if (stepMs >= 86400e3) return shortDate(ms);
  const [, , , hour, minute, second] = fields(ms);
  if (hour === 0 && minute === 0 && second === 0) return shortDate(ms);
  return stepMs >= 60e3 ? `${pad(hour)}:${pad(minute)}` : `${pad(hour)}:${pad(minute)}:${pad(second)}`;
}

/** Marks of time between `from` and `until`, at most `most`: [times, step], both in ms. */
export function timeMarks(from, until, most) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];
  const step = (steps.find((s) => (until - from) / (s * 1000) <= most) ?? 31536000) * 1000;
  const shift = settings.clock === "local" ? new Date(from).getTimezoneOffset() * 60e3 : 0;
  const marks = [];
  for (let t = Math.ceil((from - shift) / step) * step + shift; t <= until; t += step) marks.push(t);
  return [marks, step];
}

/** A position in degrees and hemispheres, to 4 digits (11 m). */
export function position(latDeg, lonDeg) {
  if (missing(latDeg) || missing(lonDeg)) return DASH;
  return `${Math.abs(latDeg).toFixed(4)}° ${latDeg < 0 ? "S" : "N"}  ${Math.abs(lonDeg).toFixed(4)}° ${lonDeg < 0 ? "W" : "E"}`;
}

export const bearing = (deg) => (missing(deg) ? DASH : `${pad(Math.round(deg) % 360, 3)}°`);

/** 1 : 1,919 — how much more was kept than sent. */
export function ratio(sent, kept) {
  if (!sent || missing(kept)) return DASH;
  const times = kept / sent;
  return times >= 1 ? `1 : ${times < 10 ? times.toFixed(1) : whole.format(times)}` : `${(1 / times).toFixed(1)} : 1`;
}
