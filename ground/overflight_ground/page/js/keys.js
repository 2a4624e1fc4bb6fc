/** The keyboard: one table, from which the list under `?` is made too. */

import { pan, setFollow, setKind, zoomBy } from "./map/map.js";
import { stopMeasure } from "./map/measure.js";
import { toggleLayer, view } from "./model.js";
import { acknowledgeAll, acknowledgeNext } from "./panels/alerts.js";
import { showTab, toggleTall } from "./panels/dock.js";
import { chooseFile, closeSession } from "./panels/drop.js";
import { chooseNext } from "./panels/fleet.js";
import { toggleHelp } from "./panels/help.js";
import { showPanel } from "./panels/small.js";
import { copyLines, togglePause, toggleWide, widen } from "./panels/wire.js";
import { cycle } from "./settings.js";
import { touch } from "./signals.js";
import { goLive, nextAlert, play, setSpeed, SPEEDS, step, when } from "./when.js";

const PAN_PX = 60;

const key = (group, keys, does, act) => ({ group, keys, does, act, shown: keys.map(named).join(" ") });
const named = (one) => ({ " ": "space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" })[one] ?? one;

export const KEYS = [
  key("Payloads", ["j"], "next payload", () => chooseNext(1)),
  key("Payloads", ["J"], "previous payload", () => chooseNext(-1)),
  key("Payloads", ["/"], "filter the fleet", () => focus("fleet", "fleet-filter")),
  key("Map", ["ArrowLeft"], "move west", () => pan(PAN_PX, 0)),
  key("Map", ["ArrowRight"], "move east", () => pan(-PAN_PX, 0)),
  key("Map", ["ArrowUp"], "move north", () => pan(0, PAN_PX)),
  key("Map", ["ArrowDown"], "move south", () => pan(0, -PAN_PX)),
  key("Map", ["+", "="], "nearer", () => zoomBy(1.6)),
  key("Map", ["-"], "farther", () => zoomBy(1 / 1.6)),
  key("Map", ["f"], "globe or flat", () => setKind(view.map === "globe" ? "flat" : "globe")),
  key("Map", ["g"], "follow the payload", () => setFollow(!view.follow)),
  key("Map", ["m"], "measure", () => touch("start-measure")),
  key("Map", ["n"], "night", () => toggleLayer("night")),
  key("Map", ["a"], "areas", () => toggleLayer("areas")),
  key("Map", ["p"], "plan", () => toggleLayer("plan")),
  key("Map", ["o"], "prediction", () => toggleLayer("prediction")),
  key("Map", ["i"], "pictures on the map", () => toggleLayer("pictures")),
  key("Map", ["h"], "names", () => toggleLayer("names")),
  key("Time", [" "], "play or pause", () => play()),
  key("Time", [","], "one point back", () => step(-1)),
  key("Time", ["."], "one point on", () => step(1)),
  key("Time", ["]"], "next alert", () => nextAlert(1)),
  key("Time", ["["], "previous alert", () => nextAlert(-1)),
  key("Time", [">"], "faster", () => faster(1)),
  key("Time", ["<"], "slower", () => faster(-1)),
  key("Time", ["l"], "back to live", () => goLive()),
  key("Time", ["O"], "open a session file", () => chooseFile()),
  key("Time", ["L"], "close the session", () => closeSession()),
  key("Panels", ["1"], "charts", () => showTab("charts")),
  key("Panels", ["2"], "packet", () => showTab("packet")),
  key("Panels", ["3"], "pictures", () => showTab("pictures")),
  key("Panels", ["4"], "positions as a table", () => showTab("positions")),
  key("Panels", ["t"], "taller charts", () => toggleTall()),
  key("Panels", ["k"], "acknowledge an alert", () => acknowledgeNext()),
  key("Panels", ["K"], "acknowledge all", () => acknowledgeAll()),
  key("Wire", ["\\"], "filter the wire", () => (widen(), focus("side", "wire-filter"))),
  key("Wire", ["x"], "pause the wire", () => togglePause()),
  key("Wire", ["c"], "copy lines", () => copyLines()),
  key("Wire", ["w"], "wider wire", () => toggleWide()),
  key("Page", ["u"], "metric or aviation", () => cycle("units")),
  key("Page", ["z"], "UTC or local", () => cycle("clock")),
  key("Page", ["d"], "dark, light or as the system", () => cycle("theme")),
  key("Page", ["?"], "this list", () => toggleHelp()),
  key("Page", ["Escape"], "end measuring, leave a field", () => stopMeasure() || document.activeElement?.blur()),
];

function focus(panel, id) {
  showPanel(panel);
  document.getElementById(id)?.focus(); // at once: what is typed next belongs to the field
}

function faster(direction) {
  const index = Math.min(SPEEDS.length - 1, Math.max(0, SPEEDS.indexOf(when.speed) + direction));
  setSpeed(SPEEDS[index]);
}

const actions = new Map(KEYS.flatMap((one) => one.keys.map((name) => [name, one.act])));

/** Listen for keys, but not while someone types. */
export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches?.("input, textarea, select");
    if (typing && event.key === "Escape") event.target.blur();
    if (typing || document.querySelector("dialog[open]:not(.help)")) return;
    if (event.key === " " && event.target.matches?.("button")) return;
    const act = actions.get(event.key);
    if (!act) return;
    event.preventDefault();
    act();
  });
}
