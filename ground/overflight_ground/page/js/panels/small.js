/** Small screens: one panel at a time, chosen by tabs at the foot. */

import { button } from "../dom.js";
import { view } from "../model.js";
import { on, touch } from "../signals.js";

const PANELS = [["map", "Map"], ["fleet", "Fleet"], ["dock", "Charts"], ["side", "Traffic"]];

export function showPanel(name) {
  view.panel = name;
  document.body.dataset.panel = name; // at once, so that a field in it can be focused
  touch("panel link map");
}

export function buildTabs(root) {
  const buttons = PANELS.map(([name, label]) => button(label, { onclick: () => showPanel(name), "data-panel": name }));
  root.append(...buttons);
  const sync = () => {
    document.body.dataset.panel = view.panel;
    buttons.forEach((element) => element.setAttribute("aria-pressed", element.dataset.panel === view.panel));
  };
  on("panel", sync);
  sync();
}
