/** A panel's line for trouble: what is wrong, and the one thing to do. */

import { setToken, token } from "../api.js";
import { button, h, say } from "../dom.js";
import { refresh } from "../feed.js";
import { model } from "../model.js";
import { on } from "../signals.js";

/** An element that shows the trouble of `panel`, and hides where there is none. */
export function troubleLine(panel) {
  const text = h("span");
  const again = button("Try again", { onclick: () => act(panel) });
  const element = h("p", { class: "state error", hidden: true }, text, again);
  const sync = () => {
    const sentence = model.troubles.get(panel);
    element.hidden = !sentence;
    if (!sentence) return;
    say(text, sentence);
    say(again, sentence.includes("token") ? "Enter it" : "Try again");
  };
  on("trouble", sync);
  sync();
  return element;
}

function act(panel) {
  if (model.troubles.get(panel)?.includes("token")) askToken();
  else refresh();
}

/** Ask for the ground's token; it is kept for this tab alone. */
export function askToken() {
  const input = h("input", { type: "password", "aria-label": "Token", autocomplete: "off", value: token() });
  const dialog = h("dialog", { "aria-label": "Token" },
    h("form", { method: "dialog", class: "ask" }, h("p", {}, "The ground printed its token when it started."), input, h("p", {}, button("Use it", { type: "submit" }))));
  dialog.addEventListener("close", () => {
    if (input.value) setToken(input.value);
    dialog.remove();
    refresh();
  });
  document.body.append(dialog);
  dialog.showModal();
}
