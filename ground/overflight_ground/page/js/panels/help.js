/** Every key, in one list; `?` opens and closes it. */

import { button, h, icon } from "../dom.js";
import { KEYS } from "../keys.js";

let dialog = null;

export function toggleHelp() {
  if (dialog) {
    dialog.close();
    return;
  }
  const groups = Map.groupBy ? Map.groupBy(KEYS, (key) => key.group) : grouped();
  dialog = h("dialog", { class: "help", "aria-labelledby": "help-title" },
    h("div", { class: "head" }, h("h2", { id: "help-title" }, "Keys"), h("span", { class: "spacer" }), button("Close", { class: "plain", onclick: () => dialog.close() }, icon("close"))),
    h("div", { class: "key-groups" }, ...[...groups].map(([group, keys]) => h("section", {}, h("h3", {}, group), h("dl", {}, ...keys.flatMap((key) => [h("dt", {}, ...key.shown.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, key.does)]))))));
  dialog.addEventListener("close", () => {
    dialog.remove();
    dialog = null;
  });
  document.body.append(dialog);
  dialog.showModal();
}

function grouped() {
  const groups = new Map();
  for (const key of KEYS) groups.set(key.group, [...(groups.get(key.group) ?? []), key]);
  return groups;
}
