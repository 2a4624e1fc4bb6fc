/** Where the wire's lines come from when a filter is set or the past is shown; both are asked of the server. */

import { get, source, Superseded, Trouble } from "../api.js";
import { arrival } from "../arrival.js";
import { model, trouble, WIRE_LINES } from "../model.js";
import { Ring } from "../ring.js";
import { on, touch } from "../signals.js";

const PAGE = 1000;
const SHOWN = 400;
const AHEAD_MS = 400;

let filtered = null; // { source, filter, ring, from }

/** The ring of lines that fit `filter`, or null where there is none to apply. */
export function narrowed(view, filter) {
  if (!filter || filtered?.filter !== filter || filtered.source !== view) return null;
  return filtered.ring;
}

/** Ask the server whether it understands `filter`; answers what is wrong, or "". */
export async function checkFilter(view, filter) {
  if (!filter) {
    filtered = null;
    return "";
  }
  const ring = new Ring(WIRE_LINES);
  const mine = (filtered = { source: view, filter, ring });
  try {
    const { lines } = await get("wire", { source: view, filter, limit: PAGE });
    if (filtered === mine) ring.push(...lines);
    return "";
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    return error.message;
  }
}

/** While a filter is set, ask for what came since; the server does the judging. */
async function more() {
  const mine = filtered;
  if (!mine || mine.busy) return;
  mine.busy = true;
  try {
    const last = mine.ring.items.at(-1);
    const { lines } = await get("wire", { source: mine.source, filter: mine.filter, after: last?.number ?? last?.sequence ?? last?.id, limit: PAGE });
    if (filtered === mine && lines.length) {
      mine.ring.push(...lines);
      touch("wire-lines");
    }
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
  }
  mine.busy = false;
}

let waiting = 0;
on("wire", () => {
  if (filtered) waiting ||= setTimeout(() => ((waiting = 0), more()), AHEAD_MS);
});

const nothing = (of, filter) => ({ of, filter, from: NaN, until: NaN, ring: new Ring(WIRE_LINES), all: [], busy: false });
let past = nothing("", "");

/** The lines that had been measured by `time` and fit `filter`, for a replay; fetched a page at a time. */
export function historyBefore(time, filter) {
  if (past.of !== source() || past.filter !== filter) past = nothing(source(), filter); // a session's past is not the ground's
  if (!(time >= past.from && time <= past.until)) fetchAround(time);
  let end = past.all.length;
  while (end && past.all[end - 1].at_ms > time) end -= 1;
  past.ring.items = past.all.slice(Math.max(0, end - SHOWN), end);
  return past.ring;
}

async function fetchAround(time) {
  if (past.busy) return;
  const mine = past;
  mine.busy = true;
  try {
    const reach = reachMs(time);
    const [from, until] = [time - reach, time + reach];
    const all = (await measuredBetween(iso(from), iso(until), mine.filter)).sort((a, b) => a.at_ms - b.at_ms);
    const first = all.length < PAGE ? from : all[0].at_ms; // a full page lacks its oldest
    Object.assign(mine, { from: Math.min(time, first + reach / 4), until, all });
    trouble("wire", null);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (!(error instanceof Superseded)) {
      Object.assign(mine, { from: time, until: time + 60_000 });
      trouble("wire", error.message);
    }
  }
  mine.busy = false;
  touch("wire-lines");
}

async function measuredBetween(since, until, filter) {
  const span = { since, until, limit: PAGE };
  if (!filter) return (await get("messages", span)).messages.map((message) => arrival(message, message.measured_at));
  return (await get("wire", { filter, ...span })).lines.map((line) => ({ ...line, at_ms: line.measured_at_ms }));
}

const iso = (ms) => new Date(Math.round(ms)).toISOString();

/** How far to either side of `time` about half a page of messages was measured. */
function reachMs(time) {
  const line = model.timeline;
  if (!line) return 600_000;
  const step = (line.until - line.from) / line.counts.length;
  const at = Math.floor((time - line.from) / step);
  const near = line.counts.slice(Math.max(0, at - 2), at + 3);
  const most = Math.max(1, ...near);
  return Math.max(2000, Math.min(line.until - line.from + 1000, ((PAGE * 0.4) / most) * step));
}
