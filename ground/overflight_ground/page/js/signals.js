/** Topics and their listeners; whatever is touched is told once, in the next animation frame. */

const listeners = new Map();
const dirty = new Set();
let pending = 0;

/** Call `listener` in the frame after any of `topics` was touched; returns a way to stop. */
export function on(topics, listener) {
  const names = topics.split(" ");
  for (const name of names) {
    if (!listeners.has(name)) listeners.set(name, new Set());
    listeners.get(name).add(listener);
  }
  return () => names.forEach((name) => listeners.get(name).delete(listener));
}

/** Say that something under `topics` changed. */
export function touch(topics) {
  for (const name of topics.split(" ")) dirty.add(name);
  if (!pending) pending = requestAnimationFrame(flush);
}

function flush() {
  pending = 0;
  const called = new Set();
  for (const name of [...dirty]) for (const listener of listeners.get(name) ?? []) called.add(listener);
  dirty.clear();
  for (const listener of called) listener();
}
