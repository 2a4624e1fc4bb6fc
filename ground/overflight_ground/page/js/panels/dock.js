/** The dock under the map: charts, the packet that is open, pictures, positions; one at a time. */

import { button, h, icon, mark, say } from "../dom.js";
import { model, view } from "../model.js";
import { on, touch } from "../signals.js";
import { buildCharts } from "./charts.js";
import { buildPacket } from "./packet.js";
import { buildPictures } from "./pictures.js";
import { buildPositions } from "./positions.js";

const TABS = [["charts", "Charts", "1", buildCharts], ["packet", "Packet", "2", buildPacket], ["pictures", "Pictures", "3", buildPictures], ["positions", "Positions", "4", buildPositions]];

export function showTab(name) {
  view.tab = name;
  touch("tab link");
}

export function toggleTall() {
  view.tall = !view.tall;
  touch("frame link");
}

export function buildDock(root) {
  const strip = h("div", { class: "tab-strip", role: "tablist", "aria-label": "Below the map" });
  const pages = new Map();
  for (const [name, label, key, build] of TABS) {
    const page = h("div", { class: `page ${name}`, role: "tabpanel", id: `page-${name}`, "aria-labelledby": `tab-${name}`, tabindex: "0" });
    const tab = h("button", { type: "button", role: "tab", class: "plain", id: name === "positions" ? "positions-link" : `tab-${name}`, "aria-controls": `page-${name}`, title: `${label} (${key})`, onclick: () => showTab(name) }, label);
    if (name === "positions") page.setAttribute("aria-labelledby", "positions-link");
    strip.append(tab);
    pages.set(name, [tab, page]);
    build(page);
  }
  strip.addEventListener("keydown", (event) => arrows(event, pages));
  const tall = button("Taller", { key: "t", class: "plain tall", onclick: toggleTall }, icon("wide"));
  root.append(h("div", { class: "dock-head" }, strip, h("span", { class: "spacer" }), tall), ...[...pages.values()].map(([, page]) => page));
  const sync = () => {
    for (const [name, [tab, page]] of pages) {
      const chosen = view.tab === name;
      mark(tab, "aria-selected", chosen);
      mark(tab, "tabindex", chosen ? 0 : -1);
      page.hidden = !chosen;
    }
    say(pages.get("pictures")[0], model.pictures.length ? `Pictures ${model.pictures.length}` : "Pictures");
  };
  on("tab pictures", sync);
  sync();
}

function arrows(event, pages) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  const names = [...pages.keys()];
  const next = names[(names.indexOf(view.tab) + step + names.length) % names.length];
  showTab(next);
  pages.get(next)[0].focus();
}
