/** The gallery of what was kept: shown after recovery, each picture with the audit's word on it. */

import { h, say } from "../dom.js";
import { goTo } from "../map/map.js";
import { model, setCursor, view } from "../model.js";
import { on } from "../signals.js";
import { bytes, dateTime, position, zone } from "../units.js";
import { troubleLine } from "./trouble.js";

const MOST = 400;

export function buildPictures(root) {
  const empty = h("p", { class: "empty" });
  const grid = h("ul", { class: "gallery" });
  root.append(troubleLine("pictures"), empty, h("div", { class: "scroll" }, grid));
  let drawn = null;
  const sync = () => {
    if (view.tab !== "pictures") return;
    empty.hidden = model.pictures.length > 0;
    say(empty, emptyText());
    if (drawn !== model.pictures) {
      drawn = model.pictures;
      grid.replaceChildren(...model.pictures.slice(0, MOST).map(card));
    }
    for (const element of grid.children) element.classList.toggle("chosen", element.dataset.sha === view.picture);
    grid.querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
  };
  on("tab pictures split", sync);
  sync();
}

const emptyText = () =>
  model.split?.kept?.state === "peek"
    ? "The pictures are still on board. They appear here, and on the track, after: overflight recover"
    : "Unknown until recovered. After the payload is found: overflight recover DIR";

function card(picture) {
  const found = /found in/.test(picture.verdict ?? "") && !/not found/.test(picture.verdict ?? "");
  const where = picture.lat_deg === null || picture.lat_deg === undefined ? "not on the track" : position(picture.lat_deg, picture.lon_deg);
  const time = Date.parse(picture.taken_at);
  return h("li", { "data-sha": picture.sha256, onmouseenter: () => setCursor(time), onmouseleave: () => setCursor(null) },
    h("button", { type: "button", class: "thumb", onclick: () => enlarge(picture), title: "Show it large" },
      h("img", { src: picture.thumb, alt: `Taken ${dateTime(time)}, ${where}`, loading: "lazy", width: 160, height: 106 })),
    h("span", { class: "when" }, dateTime(time)),
    h("span", { class: `verdict-line ${found ? "bad" : picture.verdict ? "good" : "soft"}` }, picture.verdict ?? "kept; not audited yet"));
}

function enlarge(picture) {
  const dialog = h("dialog", { class: "picture", "aria-label": "Picture" },
    h("img", { src: picture.image, alt: `Taken ${dateTime(Date.parse(picture.taken_at))}` }),
    h("div", { class: "facts" },
      h("p", {}, `${dateTime(Date.parse(picture.taken_at))} ${zone()}, ${position(picture.lat_deg, picture.lon_deg)}, ${bytes(picture.bytes)}`),
      h("p", { class: "good" }, picture.verdict ?? ""), h("p", { class: "mono soft hash" }, `sha256 ${picture.sha256}`),
      h("p", {}, h("button", { type: "button", onclick: () => dialog.close() }, "Close"),
        Number.isFinite(picture.lat_deg) ? h("button", { type: "button", onclick: () => (dialog.close(), goTo(picture.lat_deg, picture.lon_deg, 12)) }, "Show on the map") : null)));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
