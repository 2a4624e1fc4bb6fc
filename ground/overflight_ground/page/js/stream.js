/**
 * The ground's live stream (server-sent events), read with fetch so that `Last-Event-ID` can be sent.
 * One per tab; closed while the tab is hidden; opened again with a pause that grows to 10 s.
 */

import { headers, url } from "./api.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const SILENCE_MS = 45_000;

export class Stream {
  /** `onEvent(name, data)`, `onState("connecting" | "open" | "closed" | "hidden", { again })`. */
  constructor({ onEvent, onState }) {
    this.onEvent = onEvent;
    this.onState = onState;
    this.lastId = "";
    this.pause = FIRST_PAUSE_MS;
    this.wanted = false;
    this.opened = 0;
    document.addEventListener("visibilitychange", () => this.visibility());
    window.addEventListener("pagehide", () => this.abort?.abort());
  }

  start() {
    this.wanted = true;
    if (!document.hidden) this.run();
  }

  stop() {
    this.wanted = false;
    this.close("closed");
  }

  visibility() {
    if (!this.wanted) return;
    if (document.hidden) this.close("hidden");
    else this.run();
  }

  close(state) {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
    this.onState(state, {});
  }

  async run() {
    clearTimeout(this.timer);
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.onState("connecting", {});
    try {
      await this.read(abort);
    } catch {
      // cut off, refused or silent: all the same here, try again
    }
    if (abort !== this.abort || !this.wanted) return;
    this.onState("closed", { again: this.pause });
    this.timer = setTimeout(() => this.run(), this.pause);
    this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * 2);
  }

  async read(abort) {
    const extra = { Accept: "text/event-stream", ...(this.lastId ? { "Last-Event-ID": this.lastId } : {}) };
    const response = await fetch(url("stream"), { headers: headers(extra), signal: abort.signal, cache: "no-store" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    this.pause = FIRST_PAUSE_MS;
    this.onState("open", { again: this.opened++ > 0 });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
        const blocks = (rest + value.replaceAll("\r\n", "\n")).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) this.take(block);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  take(block) {
    let name = "message";
    const data = [];
    for (const line of block.split("\n")) {
      if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
      else if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("id:")) this.lastId = line.slice(3).trim();
    }
    if (data.length) this.onEvent(name, JSON.parse(data.join("\n")));
  }
}
