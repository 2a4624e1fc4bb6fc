/** Session files: dropped on the page or chosen, taken in by the ground, replayed here beside live data. */

import { get, post, setRoot, Trouble } from "../api.js";
import { announce, button, h, say } from "../dom.js";
import { loadTimeline, reload } from "../feed.js";
import { model } from "../model.js";
import { on, touch } from "../signals.js";
import { goLive, seek, when } from "../when.js";

const LIVE = "api/v1";
let bar;
let text;

export function buildDrop(root) {
  text = h("span");
  bar = h("div", { class: "session-bar", hidden: true, role: "status" }, text, button("Close the session", { key: "L", onclick: closeSession }));
  root.append(bar);
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  window.addEventListener("dragleave", (event) => event.relatedTarget === null && document.body.classList.remove("dropping"));
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (file) openFile(file);
  });
  on("mode", sync);
  sync();
}

function sync() {
  if (!model.session) {
    bar.hidden = true;
    return;
  }
  bar.hidden = false;
  say(text, `Session ${model.session.name}: a replay; live data goes on unseen.`);
}

/** Let a person pick a session file. */
export function chooseFile() {
  const input = h("input", { type: "file", accept: ".mcap,.jsonl,.pcap,.pcapng" });
  input.addEventListener("change", () => input.files[0] && openFile(input.files[0]));
  input.click();
}

async function openFile(file) {
  bar.hidden = false;
  say(text, `Reading ${file.name}…`);
  try {
    const session = await post(`sessions?name=${encodeURIComponent(file.name)}`, file, "application/octet-stream", LIVE);
    await show(session.session, session.name ?? file.name);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    complain(`${file.name}: ${error.message}`);
  }
}

function complain(sentence) {
  bar.hidden = false;
  say(text, sentence);
  announce(sentence, true);
  setTimeout(sync, 8000);
}

/** Show a session that the ground holds, at `time` where one is given; opened again where it was closed. */
export async function openSession(id, { time = null } = {}) {
  try {
    const { sessions } = await get("sessions");
    const known = sessions.find((session) => session.session === id);
    if (known?.state === "closed") await post(`sessions/${id}/open`, null, undefined, LIVE);
    if (known) await show(id, known.name, time);
    else complain(`No session ${id} is on this ground: drop its file here. This is live.`);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    complain(`Session ${id}: ${error.message} This is live.`);
  }
  return Boolean(model.session);
}

/** The same screens, its data alone. */
async function show(id, name, time = null) {
  model.session = { id, name: name ?? id };
  setRoot(`${LIVE}/sessions/${encodeURIComponent(id)}`);
  when.live = false; // from the first moment on
  const all = reload();
  await loadTimeline();
  seek(time ?? (Number.isFinite(when.from) ? when.from : Date.now()), { quiet: true });
  announce(`Replay of session ${model.session.name}`);
  touch("mode link time map");
  await all;
}

export async function closeSession() {
  if (!model.session) return;
  model.session = null;
  setRoot(LIVE);
  await reload();
  goLive();
  touch("mode link time map");
}

/** Go where a link leads: into its session, or out of the one on show. */
export async function followLink({ session, time }) {
  if (session && session !== model.session?.id) {
    if (!(await openSession(session, { time }))) goLive();
  } else if (!session && model.session) await closeSession();
}
