/** Sent and kept: what crossed against what stayed, to scale; unknown until it is recovered. */

import { button, h, say } from "../dom.js";
import { model, selected, view } from "../model.js";
import { on, touch } from "../signals.js";
import { bytes, count, ratio } from "../units.js";
import { troubleLine } from "./trouble.js";

const LEAST_PX = 3;

export function buildSplit(root) {
  const whose = h("span", { class: "note" });
  const sent = h("span", { class: "big sent" });
  const kept = h("span", { class: "big kept" });
  const sentWords = h("span", { class: "under" });
  const keptWords = h("span", { class: "under" });
  const bar = h("div", { class: "bar", role: "img" }, h("span", { class: "sent-part" }), h("span", { class: "kept-part" }));
  const words = h("p", { class: "words" });
  const verdict = h("p", { class: "verdict", hidden: true });
  const soFar = h("p", { class: "so-far", hidden: true });
  root.append(
    h("div", { class: "head" }, h("h2", { id: "split-title" }, "Sent and kept"), h("span", { class: "spacer" }), whose), troubleLine("split"),
    h("div", { class: "split-body" }, h("div", { class: "figures" }, h("div", {}, sent, sentWords), h("div", { class: "right" }, kept, keptWords)), bar, words, soFar, verdict));
  const sync = () => {
    const split = model.split;
    say(whose, view.payload ? `${view.payload}, ${view.flight ? `flight ${view.flight}` : "this flight"}` : "");
    if (!view.payload || !split) {
      nothing({ sent, kept, sentWords, keptWords, bar, words });
      verdict.hidden = soFar.hidden = true;
      return;
    }
    const crossed = split.crossed_bytes ?? selected()?.bytes ?? 0;
    const state = split.kept?.state ?? "unknown";
    say(sent, bytes(crossed));
    say(sentWords, `crossed in ${count(split.crossed_messages)} messages`);
    say(kept, state === "unknown" ? "unknown" : bytes(split.kept.bytes));
    say(keptWords, state === "unknown" ? "until recovered" : `kept on board${split.kept.images === null || split.kept.images === undefined ? "" : `, ${count(split.kept.images)} pictures`}`);
    scale(bar, state, crossed, split.kept?.bytes);
    say(words, sentence(state, crossed, split.kept));
    showVerdict(verdict, split.audit);
    showSoFar(soFar, split.audit ? null : model.soFar?.get(view.payload));
  };
  on("split select fleet settings", sync);
  sync();
}

function nothing({ sent, kept, sentWords, keptWords, bar, words }) {
  say(sent, "0 B");
  say(kept, "unknown");
  say(sentWords, "crossed");
  say(keptWords, "until recovered");
  bar.className = "bar none";
  say(words, "No flight yet. What crosses is counted here; what stays on board is known once it is recovered.");
}

function scale(bar, state, crossed, kept) {
  const [sentPart, keptPart] = bar.children;
  bar.className = `bar ${state}`;
  if (state === "unknown") {
    bar.setAttribute("aria-label", `${bytes(crossed)} crossed; what was kept is unknown until recovered`);
    sentPart.style.width = `${LEAST_PX}px`;
    return;
  }
  const share = crossed / Math.max(1, crossed + kept);
  bar.setAttribute("aria-label", `${bytes(crossed)} crossed, ${bytes(kept)} kept, to scale`);
  sentPart.style.width = `max(${LEAST_PX}px, ${(share * 100).toFixed(4)}%)`;
  keptPart.style.flex = "1";
}

function sentence(state, crossed, kept) {
  if (state === "unknown") return "Before recovery nobody on the ground can know what is on board.";
  const share = (crossed / Math.max(1, crossed + kept.bytes)) * 100;
  const scale = share < 1 ? `Bar to scale, at least ${LEAST_PX} px.` : "Bar to scale.";
  const label = state === "peek" ? ` ${asSentence(kept.label || "read from the payload's disk on this machine")}` : "";
  return `${ratio(crossed, kept.bytes)}, ${share < 0.01 ? "under 0.01" : share.toFixed(2)} % crossed. ${scale}${label}`;
}

const asSentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** While no audit was made: what of the bytes that arrived is explained, and the room that is left in them. */
function showSoFar(element, total) {
  element.hidden = !total;
  if (!total) return;
  const { unexplained_bytes: unexplained, explained_bytes: explained, room_bits: room, implausible, complete } = total;
  const head = `${count(unexplained)} of ${count(unexplained + explained)} bytes unexplained ${complete ? "so far" : "in what is counted yet"}`;
  const doubt = implausible ? `; ${count(implausible)} ${implausible === 1 ? "message is" : "messages are"} implausible` : "";
  element.className = `so-far ${unexplained ? "bad" : implausible ? "warn" : ""}`;
  element.title = "What reached the ground, held against the contract. What the relay refused, or what went another way, is unknown to it: the proof is the audit, after recovery.";
  element.replaceChildren(h("b", {}, head), unexplained ? ": they are in quarantine" : "", `; room for at most ${bytes(room / 8)} in the fields${doubt}.`);
}

/** The audit's verdict, with its bounds; a click leads to the pictures it is about. */
function showVerdict(element, audit) {
  element.hidden = !audit;
  if (!audit) return;
  const held = audit.verdict?.includes("held");
  const broken = audit.verdict?.includes("broken");
  const word = held ? "The split held" : broken ? "The split is broken" : "The audit can't tell";
  const detail = boundText(audit);
  element.className = `verdict ${held ? "good" : broken ? "bad" : "warn"}`;
  const whole = h("a", { href: `api/v1/audits/${view.payload}/${view.flight ?? selected()?.flight}/page`, download: "" }, "Report");
  element.replaceChildren(h("b", {}, word), detail ? h("span", { class: "soft" }, ` ${detail}`) : "", button("Pictures", { class: "plain", onclick: () => {
    view.tab = "pictures";
    touch("tab link");
  } }), whole);
}

function boundText(audit) {
  const parts = [];
  if (Number.isFinite(audit.unexplained_bytes)) parts.push(`${bytes(audit.unexplained_bytes)} unexplained`);
  if (audit.refused) parts.push(`${count(audit.refused)} refused`);
  const room = audit.bound?.total_bytes;
  if (Number.isFinite(room)) parts.push(`at most ${bytes(room)} could hide (${(audit.bound.share_of_vault * 100).toPrecision(2)} % of what was kept)`);
  return parts.length ? `${parts.join(", ")}.` : "";
}
