/** One packet or message, with its bytes beside its fields. */

import { get, Trouble } from "../api.js";
import { h, say } from "../dom.js";
import { view } from "../model.js";
import { on } from "../signals.js";
import { dateTime, zone } from "../units.js";
import { lineOf } from "./wire.js";

const WIDTH = 16;

export function buildPacket(root) {
  const empty = h("p", { class: "empty" }, "Choose a line of the wire: its bytes and fields are shown here.");
  const body = h("div", { class: "packet-body", hidden: true });
  root.append(empty, body);
  let drawn = null;
  const sync = async () => {
    const item = view.packet ?? null;
    if (view.tab !== "packet" || item === drawn) return;
    drawn = item ?? null;
    empty.hidden = Boolean(item);
    body.hidden = !item;
    if (!item) return;
    body.replaceChildren(...draw(item, item.hex ?? "", item.fields));
    if (item.hex || !item.id) return;
    try {
      const whole = await get(`messages/${item.id}`);
      if (view.packet === item) body.replaceChildren(...draw({ ...item, ...whole }, whole.raw ?? whole.hex ?? "", whole.fields));
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
    }
  };
  on("tab packet", sync);
  sync();
}

function draw(item, hex, fields) {
  const shown = lineOf(item);
  const octets = (hex.match(/../g) ?? []).map((pair) => parseInt(pair, 16));
  const parts = fields?.length ? fields.map(fieldOf) : decoded(item, octets);
  const dump = h("div", { class: "hex mono scroll", tabindex: "0", "aria-label": "Bytes" });
  const cells = hexCells(dump, octets, item.size);
  const list = h("dl", { class: "fields" });
  for (const part of parts) {
    const name = h("dt", {}, part.name);
    const value = h("dd", { class: "mono" }, part.value);
    if (part.length) {
      const light = (state) => {
        for (let i = part.offset; i < part.offset + part.length; i += 1) cells[i]?.forEach((cell) => cell.classList.toggle("lit", state));
        name.classList.toggle("lit", state);
      };
      for (const element of [name, value]) {
        element.addEventListener("mouseenter", () => light(true));
        element.addEventListener("mouseleave", () => light(false));
      }
      name.tabIndex = 0;
      name.addEventListener("focus", () => light(true));
      name.addEventListener("blur", () => light(false));
    }
    list.append(name, value);
  }
  const verdict = item.verdict ? h("span", { class: `chip tag ${item.verdict === "ok" ? "live" : "alert"}` }, item.verdict) : null;
  return [
    h("div", { class: "packet-top" }, h("b", {}, shown.what), verdict, item.direction ? h("span", { class: "chip tag quiet" }, "provider’s view") : null, h("span", { class: "soft" }, item.reason || shown.text)),
    h("div", { class: "packet-sides" }, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Fields" }, list), dump),
  ];
}

const fieldOf = (field) => (Array.isArray(field) ? { name: field[0], value: String(field[1]), offset: field[2], length: field[3] } : { ...field, value: String(field.value) });

/** Without fields from the server: the envelope, and the JSON of the message with where each key stands. */
function decoded(item, octets) {
  const known = [
    ["time", `${dateTime(item.at_ms ?? Date.parse(item.at))} ${zone()}`], ["direction", item.direction], ["connection", item.connection], ["client_id", item.client_id],
    ["type", item.type], ["topic", item.topic], ["qos", item.qos], ["packet_id", item.packet_id], ["size", `${item.size} B`], ["verdict", item.verdict], ["reason", item.reason],
  ].filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => ({ name, value: String(value) }));
  return [...known, ...jsonFields(octets)];
}

function jsonFields(octets) {
  const text = String.fromCharCode(...octets);
  const start = text.indexOf("{");
  if (start < 0) return [];
  const found = [];
  const pattern = /"([a-z_]+)":("(?:[^"\\]|\\.)*"|-?[\d.eE+-]+|true|false|null|\{[^}]*\})/g;
  pattern.lastIndex = start;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    found.push({ name: match[1], value: match[2], offset: match.index, length: match[0].length });
  }
  return found;
}

/** Fill `dump` with offset, hex and text; answers each byte's two cells. */
function hexCells(dump, octets, size) {
  const cells = [];
  for (let from = 0; from < octets.length; from += WIDTH) {
    const run = octets.slice(from, from + WIDTH);
    const hexes = run.map((octet) => h("span", {}, octet.toString(16).padStart(2, "0")));
    const texts = run.map((octet) => h("span", {}, octet > 31 && octet < 127 ? String.fromCharCode(octet) : "·"));
    run.forEach((_, index) => cells.push([hexes[index], texts[index]]));
    dump.append(h("div", { class: "hex-row" }, h("span", { class: "offset" }, from.toString(16).padStart(4, "0")), h("span", { class: "octets" }, ...hexes), h("span", { class: "ascii" }, ...texts)));
  }
  if (!octets.length) dump.append(h("p", { class: "empty" }, "No bytes came with this line."));
  else if (size > octets.length) say(dump.appendChild(h("p", { class: "soft" })), `first ${octets.length} of ${size} bytes`);
  return cells;
}
