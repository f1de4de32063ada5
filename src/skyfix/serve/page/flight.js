// A flight: its run on the service, its time line and its error against telemetry.
import { byId, clock, element, metres, plural } from "./element.js";
import { errorOf } from "./shown.js";
import { Refusal, eventsOf, startTrack, stopTrack, track } from "./service.js";

const GROWN = 0.05;
let timer = 0;

// Run a flight to its end; `onChange` is called whenever it has changed.
export async function fly(flight, values, onChange) {
  Object.assign(flight, { state: "working", fixes: [], at: 0, problem: "", notes: [] });
  onChange();
  try {
    flight.id = (await startTrack(values)).id;
    for await (const { name, data } of eventsOf(flight.id)) {
      if (name !== "fix") break;
      follow(flight, data);
      onChange();
    }
    const ended = await track(flight.id);
    if (ended.status === "running") throw new Refusal("The connection to the service broke off.");
    if (ended.status === "failed") throw new Refusal(ended.notes.join(" "));
    Object.assign(flight, { fixes: ended.fixes, notes: ended.notes, state: ended.status,
      at: Math.max(0, Math.min(flight.at, ended.fixes.length - 1)) });
  } catch (refusal) {
    flight.state = "failed";
    flight.problem = refusal.message;
  }
  onChange();
}

export const stop = (flight) => stopTrack(flight.id);

// The newest fix is shown until somebody goes back in time.
function follow(flight, fix) {
  const newest = flight.at >= flight.fixes.length - 1;
  flight.fixes.push(fix);
  if (newest) flight.at = flight.fixes.length - 1;
}

export function drawTime(flight) {
  const there = flight?.kind === "flight" && flight.fixes.length > 0;
  byId("time").hidden = !there;
  if (!there) return;
  const slider = byId("moment"), now = clock(flight.fixes[flight.at]);
  slider.max = flight.fixes.length - 1;
  slider.value = flight.at;
  slider.setAttribute("aria-valuetext", now);
  byId("clock").textContent = now;
  byId("stop").hidden = flight.state !== "working";
  drawErrors(flight);
}

function drawErrors(flight) {
  const errors = flight.fixes.map(errorOf), found = errors.filter((error) => error !== null);
  byId("plot").toggleAttribute("hidden", found.length < 2);
  byId("key-to-plot").hidden = found.length < 2;
  const located = flight.fixes.filter((fix) => fix.located).length;
  let words = `${located} of ${plural(flight.fixes.length, "frame")} located`;
  if (found.length) {
    const sorted = found.toSorted((one, other) => one - other);
    const at = (share) => metres(sorted[Math.ceil(share * sorted.length) - 1]);
    words += `; error against telemetry: median ${at(0.5)}, 95 % within ${at(0.95)}`;
  }
  byId("error").textContent = words;
  byId("plot").setAttribute("aria-label", words);
  if (found.length >= 2) plot(errors, flight);
}

// Errors over time as a line, the stated 95 % radius as an area behind it.
function plot(errors, flight) {
  const drawing = byId("plot"), last = Math.max(1, errors.length - 1);
  const radii = flight.fixes.map((fix) => (fix.located ? fix.accuracy_95_m : null));
  const most = Math.max(...errors, ...radii) * (1 + GROWN);
  const x = (index) => (100 * index) / last, y = (value) => 40 - (40 * value) / most;
  drawing.replaceChildren();
  for (const run of runs(radii)) {
    const back = [...run].reverse().map(([index]) => `${x(index)},40`);
    const top = run.map(([index, value]) => `${x(index)},${y(value)}`);
    element("polygon", { class: "within", points: [...top, ...back].join(" ") }, drawing);
  }
  for (const run of runs(errors)) {
    const points = run.map(([index, value]) => `${x(index)},${y(value)}`).join(" ");
    element("polyline", { class: "error", points }, drawing);
  }
  element("line", { class: "now", x1: x(flight.at), x2: x(flight.at), y1: 0, y2: 40 }, drawing);
}

// The unbroken stretches of values, as [index, value].
function runs(values) {
  const stretches = [[]];
  values.forEach((value, index) => {
    if (value !== null) stretches.at(-1).push([index, value]);
    else stretches.push([]);
  });
  return stretches.filter((stretch) => stretch.length > 1);
}

// Play from where the time line stands; `onSeek` gets the number of the next fix.
export function play(flight, onSeek) {
  if (timer || !flight) {
    clearInterval(timer);
    timer = 0;
  } else {
    if (flight.at >= flight.fixes.length - 1) onSeek(0);
    timer = setInterval(() => {
      if (flight.at >= flight.fixes.length - 1) play();
      else onSeek(flight.at + 1);
    }, Math.max(120, Math.min(500, 20000 / flight.fixes.length)));
  }
  byId("play").textContent = timer ? "❚❚" : "▶";
  byId("play").setAttribute("aria-label", timer ? "Pause" : "Play");
}
