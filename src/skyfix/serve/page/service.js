// What the service is asked for. A refusal carries its words; a missing key is asked for.
import { byId } from "./element.js";

const KEPT = "skyfix-key";
let asking = null;

export class Refusal extends Error {}

export function keyHeaders() {
  const key = sessionStorage.getItem(KEPT);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

export const address = (path) => new URL(path, document.baseURI).href;

async function call(path, options = {}) {
  let response;
  const sent = keyHeaders();
  try {
    response = await fetch(address(path), { ...options, headers: { ...options.headers, ...sent } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The service cannot be reached. Is skyfix serve still running?");
  }
  if (response.status === 401) {
    await askForKey(sent.Authorization ? "The key is not the right one." : await words(response));
    return call(path, options);
  }
  if (!response.ok) throw new Refusal(await words(response));
  return response;
}

async function words(response) {
  try {
    const problem = await response.json();
    if (problem.detail || problem.title) return String(problem.detail || problem.title);
  } catch {
    // Not a problem in JSON: a proxy's page, for instance.
  }
  return `The service answered ${response.status} ${response.statusText}.`;
}

// Several calls that are refused at once share one question.
function askForKey(why) {
  asking ??= new Promise((resolve, reject) => {
    const ask = byId("ask"), key = byId("key");
    byId("ask-why").textContent = why;
    key.value = "";
    ask.addEventListener("close", () => {
      asking = null;
      if (!key.value) {
        reject(new Refusal("The service wants a key. Load the page anew to enter one."));
        return;
      }
      sessionStorage.setItem(KEPT, key.value);
      resolve();
    }, { once: true });
    ask.showModal();
  });
  return asking;
}

function form(values) {
  const made = new FormData();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== "") made.append(name, value);
  }
  return made;
}

const json = async (path, options) => (await call(path, options)).json();
const post = (path, values) => json(path, { method: "POST", body: form(values) });

export const galleries = async () => (await json("v1/galleries")).galleries;

export const poseOf = (photo) => post("v1/poses", { photo });

export const fixOf = (photo, known) => post("v1/fixes", { photo, similarity: true, ...known });

export const startTrack = (values) => post("v1/tracks", values);

export const track = (id) => json(`v1/tracks/${encodeURIComponent(id)}`);

export const stopTrack = (id) => call(`v1/tracks/${encodeURIComponent(id)}`, { method: "DELETE" });

export async function thumbnail(gallery, tile) {
  const path = `v1/galleries/${encodeURIComponent(gallery)}/tiles/${encodeURIComponent(tile)}`;
  return (await call(path)).blob();
}

export async function exported(fixes, format) {
  const response = await call(`v1/exports?format=${format}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ fixes }),
  });
  return response.blob();
}

// Server-sent events as {name, data}. EventSource cannot send a key.
export async function* eventsOf(id) {
  const response = await call(`v1/tracks/${encodeURIComponent(id)}/events`, { headers: { Accept: "text/event-stream" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event.data !== "") yield { name: event.name, data: JSON.parse(event.data) };
    }
  }
}

function parsed(block) {
  const event = { name: "message", data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":"), field = line.slice(0, colon);
    const value = line.slice(colon + 1).trimStart();
    if (field === "event") event.name = value;
    else if (field === "data") event.data += value;
  }
  return event;
}
