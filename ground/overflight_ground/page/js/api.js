/** Requests to the ground. A failure is a `Trouble` with one sentence that a person can act on. */

export class Trouble extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Another source is on show by now: the answer is about the one before. */
export class Superseded extends Trouble {}

const TOKEN = "overflight.token";
let root = "api/v1";

/** Speak to another source: the ground itself, or one of its sessions. */
export function setRoot(path) {
  root = path;
}

/** The source that is spoken to. */
export const source = () => root;

export const token = () => sessionStorage.getItem(TOKEN) ?? "";
export const setToken = (value) => sessionStorage.setItem(TOKEN, value);

export function headers(extra = {}) {
  return token() ? { Authorization: `Bearer ${token()}`, ...extra } : extra;
}

/** Build a URL under the source; null parameters are left out. */
export function url(path, parameters = {}, base = root) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return `${base}/${path}${text ? `?${text}` : ""}`;
}

/** GET JSON from the source; `Superseded` where that is another one when the answer comes. */
export async function get(path, parameters = {}) {
  const asked = root;
  try {
    return await ask(url(path, parameters), {});
  } finally {
    if (asked !== root) throw new Superseded("Another source is on show.");
  }
}

/** GET one of the page's own JSON files. */
export const getFile = (path) => ask(path, {});

/** POST, with an optional body; answers JSON or null. */
export function post(path, body = null, type = "application/json", base = root) {
  return ask(`${base}/${path}`, { method: "POST", body, headers: body === null ? {} : { "Content-Type": type } });
}

async function ask(address, options) {
  let response;
  try {
    response = await fetch(address, { ...options, headers: headers(options.headers) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The ground does not answer.");
  }
  if (!response.ok) throw new Trouble(await sentence(response), response.status);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The ground's answer was cut off."); // it ended, or the connection did, half way
  }
}

async function sentence(response) {
  if (response.status === 401 || response.status === 403) return "The ground wants a token for this.";
  try {
    const problem = await response.json();
    const detail = problem.detail || problem.title;
    if (typeof detail === "string" && detail) return detail.endsWith(".") ? detail : `${detail}.`;
  } catch {
    // not JSON: the status says it
  }
  return `The ground answered ${response.status}.`;
}
