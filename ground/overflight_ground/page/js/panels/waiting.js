/** The card over an empty map: what the page waits for, and the one thing to do. */

import { button, h, say } from "../dom.js";
import { refresh } from "../feed.js";
import { model } from "../model.js";
import { on } from "../signals.js";
import { chooseFile } from "./drop.js";
import { troubleLine } from "./trouble.js";

const COMMAND = "overflight device run sim:sounding";

export function buildWaiting(root) {
  const head = h("h2", { class: "card-title" });
  const text = h("p", { class: "soft" });
  const command = h("code", { class: "command" }, COMMAND);
  const open = h("p", { class: "soft" }, "or ", button("open a captured session", { class: "plain inline", key: "O", onclick: chooseFile }), "; dropping the file here does the same");
  const again = button("Try again", { onclick: refresh });
  const card = h("div", { class: "card", id: "waiting" }, head, text, command, open, again);
  root.append(card, troubleLine("map"));
  const sync = () => {
    const failed = !model.loaded && model.troubles.has("fleet");
    card.hidden = model.payloads.size > 0 || (!model.loaded && !failed);
    again.hidden = !failed;
    command.hidden = open.hidden = failed;
    say(head, failed ? "The ground does not answer" : "Waiting for the first message");
    say(text, failed ? "Is `overflight ground run` still running on that machine?" : brokerText());
  };
  on("fleet trouble health stream", sync);
  sync();
}

function brokerText() {
  const broker = model.health?.broker ?? "";
  if (broker.startsWith("connected")) return "The ground is up and listens to its broker. Nothing has arrived yet. Fly something:";
  return broker ? `The ground is up, but its broker is ${broker}. Once it is connected:` : "The ground is up. Nothing has arrived yet. Fly something:";
}
