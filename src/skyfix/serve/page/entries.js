// What the list holds: photos and flights, in the order they came.
import { byId, clock, element, known, metres, plural } from "./element.js";

const PHOTO = /\.(jpe?g|png|webp|tiff?)$/i;
const VIDEO = /\.(mp4|mov|m4v|mkv|avi|webm|ts)$/i;
const TELEMETRY = /\.(srt|csv)$/i;
const stem = (name) => name.replace(/\.[^.]*$/, "").toLowerCase();

// Entries for files, and how many of them are of no use here. Telemetry goes to the video of the
// same name, else to the only video.
export function entriesOf(files) {
  const telemetry = files.filter((file) => TELEMETRY.test(file.name));
  const videos = files.filter((file) => VIDEO.test(file.name) || file.type.startsWith("video/"));
  const photos = files.filter((file) => !videos.includes(file)
    && (PHOTO.test(file.name) || file.type.startsWith("image/")));
  const only = videos.length === 1 ? telemetry[0] : undefined;
  const flights = videos.map((file) => ({
    kind: "flight", name: file.name, file, state: "ready", fixes: [], at: 0, problem: "",
    telemetry: telemetry.find((one) => stem(one.name) === stem(file.name)) ?? only ?? null,
  }));
  const shots = photos.map((file) => ({
    kind: "photo", name: file.name, file, state: "waiting", known: null, fix: null, problem: "",
  }));
  const left = files.length - photos.length - videos.length - (videos.length ? telemetry.length : 0);
  return { entries: [...shots, ...flights], left };
}

// The files of a drop, folders opened.
export async function dropped(transfer) {
  const roots = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (roots.length === 0) return [...transfer.files];
  return (await Promise.all(roots.map(opened))).flat();
}

async function opened(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), inside = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    inside.push(...some);
  }
  return (await Promise.all(inside.map(opened))).flat();
}

export const fixesOf = (entry) => (entry.kind === "flight" ? entry.fixes : entry.fix ? [entry.fix] : []);
export const fixOf = (entry) => (entry?.kind === "flight" ? entry.fixes[entry.at] : entry?.fix) ?? null;

// Where the photo's tag or the flight's telemetry says that it was taken.
export function tagOf(fix) {
  if (known(fix?.truth_lon)) return { lon: fix.truth_lon, lat: fix.truth_lat, name: "By telemetry" };
  if (known(fix?.photo_lon)) return { lon: fix.photo_lon, lat: fix.photo_lat, name: "By the photo's tag" };
  return null;
}

// The state of an entry in a few words, and whether they are a warning.
export function stateOf(entry) {
  if (entry.problem) return [entry.problem, true];
  if (entry.kind === "flight") {
    const found = entry.fixes.filter((fix) => fix.located).length;
    const count = `${found} of ${plural(entry.fixes.length, "frame")}`;
    return [{ ready: "not started", working: `${count}, running`, stopped: `${count}, stopped`,
      done: `${count} located` }[entry.state], false];
  }
  if (entry.state === "waiting") return ["waiting", false];
  if (entry.state === "working") return ["being located", false];
  if (entry.fix.located) return [`68 % within ${metres(entry.fix.accuracy_m)}`, false];
  return [`Not located. ${entry.fix.reason}`, true];
}

export function listItem(entry, onChoose) {
  const button = element("button", { type: "button" }, element("li"));
  element("b", {}, button, entry.name);
  element("span", {}, button);
  button.addEventListener("click", () => onChoose(entry));
  entry.button = button;
  byId("list").append(button.parentElement);
  refreshItem(entry);
}

export function refreshItem(entry) {
  const [words, warns] = stateOf(entry), span = entry.button.querySelector("span");
  span.textContent = words;
  span.classList.toggle("reason", warns);
}

export function title(entry, fix) {
  return entry.kind === "flight" && fix ? `${entry.name}, ${clock(fix)}` : entry.name;
}
