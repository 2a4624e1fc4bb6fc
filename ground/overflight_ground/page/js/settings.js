/** What a person prefers: theme, units, clock. Kept in this browser; a link may say otherwise. */

import { touch } from "./signals.js";

const CHOICES = {
  theme: ["auto", "dark", "light"],
  units: ["metric", "aviation"],
  clock: ["utc", "local"],
};
const KEY = "overflight.settings";

export const settings = { theme: "auto", units: "metric", clock: "utc", ...stored() };

function stored() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return Object.fromEntries(Object.entries(kept).filter(([name, value]) => CHOICES[name]?.includes(value)));
  } catch {
    return {}; // storage is off: the defaults do
  }
}

/** Set one preference; a value that is none is left alone. */
export function choose(name, value, { keep = true } = {}) {
  if (!CHOICES[name]?.includes(value)) return;
  settings[name] = value;
  if (keep) save();
  applyTheme();
  touch("settings link");
}

/** Go to the next choice of `name`. */
export function cycle(name) {
  const choices = CHOICES[name];
  choose(name, choices[(choices.indexOf(settings[name]) + 1) % choices.length]);
}

function save() {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // storage is off: it holds for this visit
  }
}

const prefersLight = matchMedia("(prefers-color-scheme: light)");

let light = false;

/** Whether the page is light now. What is drawn asks this, never `prefersLight.matches`: once that
 * has been read after a change, Chromium no longer sends the change's event. */
export function isLight() {
  return light;
}

export function applyTheme() {
  light = settings.theme === "light" || (settings.theme === "auto" && prefersLight.matches);
  document.documentElement.dataset.theme = light ? "light" : "dark";
}

prefersLight.addEventListener("change", () => {
  applyTheme();
  touch("settings");
});
applyTheme();
