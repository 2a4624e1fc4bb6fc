/** The header after the brand: live or replay, how the ground is, alerts, preferences. */

import { button, h, icon, say } from "../dom.js";
import { activeAlerts, model } from "../model.js";
import { cycle, settings } from "../settings.js";
import { on } from "../signals.js";
import { bytes, count, dateTime, zone } from "../units.js";
import { goLive, seek, shownTime, when } from "../when.js";
import { toggleHelp } from "./help.js";
import { showPanel } from "./small.js";

export function buildTop(root) {
  const mode = h("button", { type: "button", class: "chip live", id: "mode", title: "Live or replay (l)", onclick: () => (when.live ? seek(shownTime()) : goLive()) });
  const context = h("span", { class: "context", id: "context" });
  const link = h("span", { class: "context link", id: "ground-state" });
  const simulated = h("span", { class: "chip tag quiet simulated", hidden: true, title: "The positions are of a simulated flight" }, "simulated");
  const alerts = h("button", { type: "button", class: "chip quiet", id: "alert-count", title: "Alerts", onclick: () => showAlerts() });
  const preferences = ["clock", "units", "theme"].map((name) => button(name, { class: "plain preference", onclick: () => cycle(name) }));
  root.append(
    mode, context, simulated, h("span", { class: "spacer" }), link, alerts, ...preferences,
    button("Keys", { key: "?", class: "plain help-button", onclick: toggleHelp }, h("kbd", {}, "?")),
  );
  const sync = () => {
    showMode(mode);
    say(context, contextText());
    say(link, linkText());
    link.className = `context link ${linkTone()}`;
    simulated.hidden = !model.health?.simulated;
    showCount(alerts);
    showPreferences(preferences);
    document.title = title();
  };
  on("time mode health stream alerts settings age trouble", sync);
  sync();
}

function showMode(chip) {
  const [kind, word, picture] = modeNow();
  if (chip.dataset.is === word) return;
  chip.dataset.is = word;
  chip.className = `chip ${kind}`;
  chip.replaceChildren(picture === "dot" ? h("span", { class: "dot" }) : icon(picture), word);
}

/** [class, words, icon] of what the page shows now. */
export function modeNow() {
  if (!when.live) return ["replay", when.playing ? `REPLAY ${when.speed}×` : "REPLAY, paused", when.playing ? "play" : "pause"];
  if (model.stream === "open") return ["live", "LIVE", "dot"];
  if (model.stream === "connecting") return ["wait", "CONNECTING", "dot"];
  return ["off", "DISCONNECTED", "dot"];
}

function contextText() {
  const time = model.payloads.size || !when.live ? shownTime() : Date.now();
  const session = model.session ? `session ${model.session.name}  ` : "";
  return `${session}${dateTime(time)} ${zone()}`;
}

function linkText() {
  const trouble = model.troubles.get("top");
  if (trouble) return trouble;
  if (model.stream === "closed" && model.streamAgain) return `trying again in ${Math.max(0, Math.ceil((model.streamAgain - Date.now()) / 1000))} s`;
  const { health, rates } = model;
  if (!health) return "asking the ground";
  const parts = [];
  if (health.store && health.store !== "ok") parts.push(`store ${health.store}`);
  if (health.broker) parts.push(`broker ${health.broker}`);
  parts.push(`${rates.messages.toFixed(1)} msg/s`, `${bytes(rates.bytes)}/s`, `${count(health.messages)} stored`);
  if (health.quarantined) parts.push(`${count(health.quarantined)} in quarantine`);
  return parts.join(" · ");
}

function linkTone() {
  if (model.troubles.has("top") || model.stream === "closed") return "bad";
  return model.health?.status && model.health.status !== "ok" ? "warn" : "";
}

/** Alerts that call for a person: open, not acknowledged, more than a note. */
const calling = () => activeAlerts().filter((alert) => !alert.acked_at && alert.severity !== "info");

function showCount(chip) {
  const open = calling();
  const text = open.length ? `${open.length} ${open.length === 1 ? "alert" : "alerts"}` : "no alerts";
  if (chip.dataset.is === text) return;
  chip.dataset.is = text;
  chip.className = `chip ${open.length ? "alert" : "quiet"}`;
  chip.replaceChildren(...(open.length ? [icon("alert")] : []), text);
}

function showAlerts() {
  showPanel("side");
  document.querySelector("#alerts button, #alerts")?.focus();
}

function showPreferences(buttons) {
  const words = {
    clock: [settings.clock === "utc" ? "UTC" : "local", "Clock: UTC or local"],
    units: [settings.units, "Units: metric or aviation"],
    theme: [`${settings.theme === "auto" ? "auto" : settings.theme} theme`, "Theme: as the system, dark or light"],
  };
  for (const [index, name] of ["clock", "units", "theme"].entries()) {
    say(buttons[index], words[name][0]);
    buttons[index].title = words[name][1];
  }
}

function title() {
  const open = calling().length;
  return `${open ? `(${open}) ` : ""}${when.live ? "" : "Replay · "}Overflight`;
}
