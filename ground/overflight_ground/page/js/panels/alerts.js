/** Alerts: open ones first; acknowledged by click or key. */

import { post, Trouble } from "../api.js";
import { announce, button, h, icon } from "../dom.js";
import { goTo } from "../map/map.js";
import { model, select, trouble } from "../model.js";
import { on, touch } from "../signals.js";
import { clockTime, dateTime, duration } from "../units.js";
import { seek, shownTime, when } from "../when.js";
import { troubleLine } from "./trouble.js";

const MOST = 40;

export function buildAlerts(root) {
  const list = h("ul", { class: "alert-list" });
  const empty = h("p", { class: "empty" }, "No alerts. They appear here, on the map and on the timeline.");
  const all = button("Acknowledge all", { key: "K", class: "plain", onclick: () => acknowledge(unacknowledged()) });
  root.append(h("div", { class: "head" }, h("h2", { id: "alerts-title" }, "Alerts"), h("span", { class: "spacer" }), all), troubleLine("alerts"), empty, list);
  const sync = () => {
    const alerts = inOrder().slice(0, MOST);
    empty.hidden = alerts.length > 0;
    list.hidden = !alerts.length;
    all.hidden = unacknowledged().length < 2;
    list.replaceChildren(...alerts.map(card));
  };
  on("alerts mode settings", sync);
  sync();
}

/** Open before ended, not acknowledged before acknowledged, newest first; in replay only what has begun. */
function inOrder() {
  return [...model.alerts.values()]
    .filter((alert) => when.live || Date.parse(alert.begin_at) <= shownTime())
    .sort((a, b) => rank(a) - rank(b) || Date.parse(b.begin_at) - Date.parse(a.begin_at));
}

const rank = (alert) => (alert.end_at ? 2 : 0) + (alert.acked_at ? 1 : 0);
const unacknowledged = () => inOrder().filter((alert) => !alert.acked_at);

/** Acknowledge the first that nobody has, or all. */
export const acknowledgeNext = () => acknowledge(unacknowledged().slice(0, 1));
export const acknowledgeAll = () => acknowledge(unacknowledged());

async function acknowledge(alerts) {
  for (const alert of alerts) {
    try {
      await post(`alerts/${alert.id}/ack`);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      trouble("alerts", error.message);
      return;
    }
    alert.acked_at = new Date().toISOString();
    trouble("alerts", null);
  }
  if (alerts.length) announce(alerts.length === 1 ? "Acknowledged" : `${alerts.length} acknowledged`);
  touch("alerts map fleet timeline");
}

function card(alert) {
  const begin = Date.parse(alert.begin_at);
  const tone = alert.end_at ? "over" : alert.severity === "info" ? "info" : alert.severity === "warning" || alert.kind === "late" ? "warning" : "severe";
  const times = alert.end_at ? `${clockTime(begin)} for ${duration((Date.parse(alert.end_at) - begin) / 1000)}` : `since ${clockTime(begin)}`;
  const where = button(titleOf(alert), { class: "alert-title", title: `Show: ${dateTime(begin)}`, onclick: () => show(alert, begin) });
  const acked = alert.acked_at
    ? h("span", { class: "soft acked" }, "seen")
    : button("Acknowledge", { key: "k", class: "plain ack", onclick: () => acknowledge([alert]) });
  return h("li", { class: `alert-card ${tone} ${alert.acked_at ? "acked" : ""}`, "data-id": alert.id }, icon(tone === "warning" ? "late" : "alert"), h("div", { class: "alert-text" }, where, h("span", { class: "soft" }, [alert.cause, times].filter(Boolean).join(", "))), acked);
}

/** What an alert says, with the payload's name before it. */
export function titleOf(alert) {
  const words = alert.title || alert.kind?.replaceAll("-", " ") || "alert";
  return !alert.payload || words.includes(alert.payload) ? words : `${alert.payload} ${words}`;
}

function show(alert, begin) {
  if (alert.payload) select(alert.payload, { follow: false });
  if (!when.live) seek(begin);
  if (Number.isFinite(alert.lat_deg)) goTo(alert.lat_deg, alert.lon_deg);
}
