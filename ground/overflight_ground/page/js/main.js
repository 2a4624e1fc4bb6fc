/** Wiring: build the panels, read the link, start the feed. */

import { announce } from "./dom.js";
import { start } from "./feed.js";
import { listen } from "./keys.js";
import { keepLink, readLink } from "./link.js";
import { buildMap, eye, frameCount } from "./map/map.js";
import { model, view } from "./model.js";
import { buildAlerts } from "./panels/alerts.js";
import { buildDock } from "./panels/dock.js";
import { buildDrop, followLink } from "./panels/drop.js";
import { buildFleet } from "./panels/fleet.js";
import { buildTabs } from "./panels/small.js";
import { buildSplit } from "./panels/split.js";
import { buildTimeline } from "./panels/timeline.js";
import { buildTop } from "./panels/top.js";
import { buildWaiting } from "./panels/waiting.js";
import { buildWire } from "./panels/wire.js";
import { on, touch } from "./signals.js";
import { when } from "./when.js";

/** For benchmarks and tests in a browser: `(await import("/js/main.js")).overflight`. */
export const overflight = { model, view, when, eye, frameCount, touch };

const at = (id) => document.getElementById(id);
const link = readLink();
buildTop(at("top"));
buildFleet(at("fleet"));
buildMap(at("map"));
buildWaiting(at("map"));
buildDrop(at("map"));
buildSplit(at("split"));
buildAlerts(at("alerts"));
buildWire(at("wire"));
buildDock(at("dock"));
buildTimeline(at("timeline"));
buildTabs(at("tabs"));

const frame = () => {
  at("frame").classList.toggle("wide", view.wide);
  at("frame").classList.toggle("tall", view.tall);
  at("frame").classList.toggle("replaying", !when.live);
};
on("frame mode", frame);
frame();
listen();
keepLink();
addEventListener("hashchange", () => {
  followLink(readLink());
  touch("select mode time map tab fleet wire frame layers panel settings");
});
start().then(() => followLink(link));
addEventListener("unhandledrejection", (event) => announce(`The page met an error: ${event.reason?.message ?? event.reason}`, true));
