// Elements and words. Text goes in as text alone: names of files and tags of photos come from
// strangers.
const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "g", "circle", "path", "polygon", "polyline", "line", "rect"]);

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, parent = null, text = "") {
  const made = DRAWN.has(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== "") made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

export const metres = (value) =>
  value >= 1000 ? `${(value / 1000).toFixed(1)} km` : `${value < 10 ? value.toFixed(1) : Math.round(value)} m`;

export const position = (lat, lon) => `${lat.toFixed(6)}, ${lon.toFixed(6)}`;

export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

export const deviations = (score) => `${score.toFixed(1)} sd`;

export const known = (value) => value !== null && value !== undefined;

// Time of a fix in words: since the start of the flight, else of the day.
export function clock(fix) {
  if (known(fix.time_s)) {
    const minutes = Math.floor(fix.time_s / 60), seconds = fix.time_s - 60 * minutes;
    return `${minutes}:${seconds.toFixed(1).padStart(4, "0")}`;
  }
  return known(fix.time) ? fix.time.replace("T", " ").replace(/(\.\d+)?\+00:00$/, " UTC") : "";
}

export function say(text) {
  byId("status").textContent = text;
}

export function warn(text) {
  byId("alert").textContent = text;
  byId("alert").hidden = text === "";
}
