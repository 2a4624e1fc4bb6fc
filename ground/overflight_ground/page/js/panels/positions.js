/** Positions as a table: the map for those who can't see it, and for copying. */

import { h, say } from "../dom.js";
import { placeOf } from "../map/map.js";
import { model, select, STATE_WORDS, stateOf, view } from "../model.js";
import { on } from "../signals.js";
import * as units from "../units.js";

const HEADS = ["Payload", "State", "Time", "Position", "Altitude", "Speed", "Climb", "Track", "Phase", "Satellites", "Stored", "Receipt through", "Given up"];
const EVERY_MS = 1000;
const MOST = 500;

let drawn = 0;
let timer = 0;

export function buildPositions(root) {
  const caption = h("caption", {});
  const body = h("tbody");
  root.append(h("div", { class: "scroll table-scroll", tabindex: "0", role: "region", "aria-label": "Positions" }, h("table", { class: "positions" }, caption, h("thead", {}, h("tr", {}, ...HEADS.map((head) => h("th", { scope: "col" }, head)))), body)));
  const sync = () => {
    if (view.tab !== "positions") return;
    const wait = EVERY_MS - (performance.now() - drawn);
    if (wait > 0) {
      timer ||= setTimeout(() => ((timer = 0), sync()), wait);
      return;
    }
    drawn = performance.now();
    const names = [...model.payloads.keys()].sort().slice(0, MOST);
    say(caption, names.length ? `Where ${names.length === 1 ? "the payload is" : `${names.length} payloads are`}` : "No payload heard yet.");
    while (body.rows.length > names.length) body.deleteRow(-1);
    names.forEach((name, index) => fill(body.rows[index] ?? row(body), name));
  };
  on("tab fleet time settings select", sync);
}

function row(body) {
  const element = body.insertRow();
  element.append(h("th", { scope: "row" }, h("button", { type: "button", class: "plain", onclick: () => select(element.dataset.name) })), ...HEADS.slice(1).map(() => h("td")));
  return element;
}

function fill(element, name) {
  const payload = model.payloads.get(name);
  const track = model.tracks.get(name);
  const place = placeOf(payload, track);
  const point = place ? track?.at(place[4]) : null;
  element.dataset.name = name;
  element.classList.toggle("chosen", name === view.payload);
  say(element.cells[0].firstChild, name);
  [
    STATE_WORDS[stateOf(payload)], place ? `${units.dateTime(place[4])} ${units.zone()}` : "–", place ? units.position(place[0], place[1]) : "no fix",
    units.altitude(place?.[2]), units.speed(place?.[3] ?? point?.[4]), units.climb(point?.[5]), units.bearing(payload.motion?.track_deg),
    payload.phase ?? "–", units.count(payload.fix?.sats), units.count(payload.messages), units.count(payload.receipt_through), units.count(payload.given_up),
  ].forEach((text, index) => say(element.cells[index + 1], text));
}
