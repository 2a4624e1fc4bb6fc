/** Session files: dropped on the page or chosen, taken in by the ground, replayed here beside live data. */

import { post, setRoot, Trouble } from "../api.js";
import { announce, button, h, say } from "../dom.js";
import { reload } from "../feed.js";
import { model } from "../model.js";
import { on, touch } from "../signals.js";
import { goLive, seek, when } from "../when.js";

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
    const session = await post(`sessions?name=${encodeURIComponent(file.name)}`, file, "application/octet-stream", "api/v1");
    await openSession(session.session ?? session.id, session.name ?? file.name);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(text, `${file.name}: ${error.message}`);
    announce(`${file.name}: ${error.message}`, true);
    setTimeout(sync, 8000);
  }
}

/** Show a session that the ground has: the same screens, its data alone. */
export async function openSession(id, name) {
  model.session = { id, name: name ?? id };
  setRoot(`api/v1/sessions/${encodeURIComponent(id)}`);
  await reload();
  seek(Number.isFinite(when.from) ? when.from : Date.now(), { quiet: true });
  announce(`Replay of session ${model.session.name}`);
  touch("mode link time map");
}

export async function closeSession() {
  if (!model.session) return;
  model.session = null;
  setRoot("api/v1");
  await reload();
  goLive();
  touch("mode link time map");
}
