/** The whole state in the URL's fragment, so that a link shows the same. */

import { choose, settings } from "./settings.js";
import { on } from "./signals.js";
import { model, view } from "./model.js";
import { SPEEDS, when } from "./when.js";

const LAYERS = ["night", "areas", "names", "plan", "prediction", "pictures"];
const TABS = ["charts", "packet", "pictures", "positions"];
const DEFAULT_LAYERS = "night areas names plan prediction pictures";

/** Read the fragment into the state; what it does not name keeps its default. */
export function readLink(hash = location.hash) {
  const link = new URLSearchParams(hash.replace(/^#/, ""));
  view.payload = name(link.get("payload"));
  view.flight = name(link.get("flight"));
  view.map = link.get("map") === "flat" ? "flat" : "globe";
  const centre = (link.get("at") ?? "").split(",").map(Number);
  if (centre.length === 3 && centre.every(Number.isFinite)) [view.lat, view.lon, view.zoom] = centre;
  view.follow = link.get("follow") !== "0";
  view.layers = new Set((link.get("layers") ?? DEFAULT_LAYERS).split(/[ .]/).filter((layer) => LAYERS.includes(layer)));
  view.tab = TABS.includes(link.get("tab")) ? link.get("tab") : "charts";
  view.fleetFilter = link.get("fleet") ?? "";
  view.wireFilter = link.get("wire") ?? "";
  view.wireSource = ["arrivals", "provider"].includes(link.get("source")) ? link.get("source") : null;
  view.wide = link.get("wide") === "1";
  view.tall = link.get("tall") === "1";
  view.panel = link.get("panel") ?? "map";
  for (const key of ["theme", "units", "clock"]) if (link.has(key)) choose(key, link.get(key), { keep: false });
  const time = Date.parse(link.get("time") ?? "");
  if (Number.isFinite(time)) Object.assign(when, { live: false, time });
  if (SPEEDS.includes(Number(link.get("speed")))) when.speed = Number(link.get("speed"));
  return { session: link.get("session"), time: Number.isFinite(time) ? time : null };
}

const name = (text) => (text && /^[A-Za-z0-9-]{1,64}$/.test(text) ? text : null);

/** The fragment for the state now; defaults are left out. */
export function linkNow() {
  const link = new URLSearchParams();
  const put = (key, value, usual) => value !== null && value !== undefined && value !== usual && link.set(key, value);
  put("session", model.session?.id);
  put("payload", view.payload);
  put("flight", view.flight);
  if (!when.live) put("time", new Date(Math.round(when.time)).toISOString());
  if (!when.live) put("speed", String(when.speed), "60");
  put("map", view.map, "globe");
  if (!view.follow) put("follow", "0");
  if (!view.autoZoom && view.lat !== null && (view.zoom !== 1 || !view.follow)) put("at", [view.lat.toFixed(4), view.lon.toFixed(4), view.zoom.toPrecision(4)].join(","));
  put("layers", LAYERS.filter((layer) => view.layers.has(layer)).join("."), DEFAULT_LAYERS.replaceAll(" ", "."));
  put("tab", view.tab, "charts");
  put("fleet", view.fleetFilter, "");
  put("wire", view.wireFilter, "");
  put("source", view.wireSource);
  put("wide", view.wide ? "1" : null);
  put("tall", view.tall ? "1" : null);
  put("panel", view.panel, "map");
  put("theme", settings.theme, "auto");
  put("units", settings.units, "metric");
  put("clock", settings.clock, "utc");
  return `#${link}`;
}

let timer = 0;

/** Keep the address bar in step, at most twice a second. */
export function keepLink() {
  on("link", () => {
    timer ||= setTimeout(() => {
      timer = 0;
      const hash = linkNow();
      if (hash !== location.hash) history.replaceState(null, "", hash === "#" ? location.pathname : hash);
    }, 500);
  });
}
