// The page: what was added, what is chosen, and who draws it.
import { Board } from "./board.js";
import { fillPose, nearCircle, nearText, poseInForm, setNear } from "./camera.js";
import { byId, element, known, plural, say, warn } from "./element.js";
import { dropped, entriesOf, fixOf, fixesOf, listItem, refreshItem, stateOf, tagOf } from "./entries.js";
import { drawTime, fly, play, stop } from "./flight.js";
import { heatOf, paintRamp } from "./heat.js";
import * as service from "./service.js";
import { describe, lightTile } from "./shown.js";

const on = {};
let entries = [], chosen = null, rank = 0, gallery = null, busy = false;

const board = new Board((index) => pickDot(index), (place) => light(place));

// Galleries

async function start() {
  const served = await attempt(service.galleries);
  if (!served) return;
  const choice = byId("gallery");
  for (const one of served) element("option", { value: one.id }, choice, one.name);
  byId("choice").hidden = served.length < 2;
  choice.addEventListener("change", () => useGallery(served[choice.selectedIndex]));
  useGallery(served[0]);
}

function useGallery(one) {
  gallery = one;
  const sizes = one.tile_m.map((side) => Math.round(side)).join(", ");
  const named = byId("choice").hidden ? `${one.name}: ` : "";
  byId("about").textContent =
    `${named}${one.tiles} tiles of ${sizes} m, system ${one.system}${one.imagery ? "" : ", no imagery to show"}`;
  board.useGallery(one);
}

// Photos and flights

function add(files) {
  warn("");
  const { entries: more, left } = entriesOf(files);
  if (left) warn(`${plural(left, "file")} left out: neither a photo nor a video.`);
  if (more.length === 0) return;
  entries.push(...more);
  for (const entry of more) listItem(entry, choose);
  byId("all").hidden = false;
  choose(more[0]);
  locateWaiting();
}

async function locateWaiting() {
  if (busy) return;
  busy = true;
  for (;;) {
    const photo = entries.find((entry) => entry.state === "waiting");
    if (!photo) break;
    const waiting = entries.filter((entry) => entry.state === "waiting").length;
    say(`Locating ${photo.name}${waiting > 1 ? `, ${waiting - 1} more to come` : ""}`);
    await locate(photo);
  }
  busy = false;
}

// Fill the form from the photo's tags first: it is quick, and finding the place may not be.
async function locate(photo) {
  const given = photo.given ?? {};
  photo.state = "working";
  changed(photo);
  try {
    if (!photo.known) {
      photo.known = await service.poseOf(photo.file);
      if (photo === chosen) fillPose(photo.known);
    }
    const near = nearText(nearCircle());
    photo.fix = await service.fixOf(photo.file, { gallery: gallery?.id, near, ...given });
    photo.known = photo.fix.known ?? photo.known;
    photo.heat = photo.fix.similarity ? heatOf(photo.fix.similarity) : null;
    photo.state = "done";
  } catch (refusal) {
    photo.problem = refusal.message;
    photo.state = "failed";
  }
  changed(photo);
  say(`${photo.name}: ${stateOf(photo)[0]}`);
  if (photo === chosen) {
    fillPose(photo.known);
    bringIntoView();
  }
}

function again(photo) {
  if (photo.state === "waiting" || photo.state === "working") return;
  Object.assign(photo, { state: "waiting", fix: null, heat: null, problem: "", given: poseInForm() });
  changed(photo);
  locateWaiting();
}

async function startFlight(flight) {
  const values = { video: flight.file, telemetry: flight.telemetry, gallery: gallery?.id,
    every_s: byId("every").value, smooth: byId("smooth").checked };
  say(`Locating ${flight.name}`);
  await fly(flight, values, () => {
    changed(flight);
    if (flight === chosen) bringIntoView();
  });
  say(`${flight.name}: ${stateOf(flight)[0]}`);
}

function clear() {
  for (const entry of entries) {
    if (entry.kind === "flight" && entry.state === "working") attempt(() => stop(entry));
  }
  entries = [];
  byId("list").replaceChildren();
  byId("all").hidden = true;
  byId("shown").replaceChildren();
  choose(null);
  say("");
  warn("");
}

// What is chosen

function choose(entry) {
  play();
  chosen = entry;
  for (const one of entries) {
    if (one === entry) one.button.setAttribute("aria-current", "true");
    else one.button.removeAttribute("aria-current");
  }
  byId("pose").hidden = entry?.kind !== "photo";
  byId("telemetry").value = "";
  nameTelemetry();
  if (entry?.kind === "photo") fillPose(entry.known);
  show();
  bringIntoView();
}

function nameTelemetry() {
  const name = chosen?.telemetry?.name;
  byId("telemetry-name").textContent = name ? `Goes with the video: ${name}` : "";
}

function changed(entry) {
  refreshItem(entry);
  if (entry === chosen) show();
  else draw();
}

function show() {
  rank = 0;
  byId("flight").hidden = chosen?.kind !== "flight" || chosen.state === "working";
  if (chosen) describe(chosen, fixOf(chosen), rank, light);
  drawTime(chosen);
  draw();
}

function draw() {
  const fix = fixOf(chosen), flight = chosen?.kind === "flight" ? chosen : null;
  const heat = on.heat ? chosen?.heat ?? null : null;
  byId("legend").hidden = !heat;
  if (heat) {
    byId("low").textContent = `${heat.low.toFixed(1)} sd`;
    byId("high").textContent = `${heat.high.toFixed(1)} sd`;
  }
  board.draw({ fix, heat, tag: tagOf(fix), tile: fix?.candidates[rank] ?? null, on: { ...on },
    dots: flight ? flight.fixes : entries.map((entry) => entry.fix ?? null),
    track: flight ? flight.fixes : [], at: flight?.at ?? 0, near: drawnNear() });
}

function drawnNear() {
  try {
    return nearCircle();
  } catch {
    return null;
  }
}

function light(place) {
  const fix = fixOf(chosen);
  if (!fix) return;
  rank = place;
  lightTile(fix, rank);
  draw();
}

function pickDot(index) {
  if (chosen?.kind === "flight") seek(index);
  else choose(entries[index]);
}

function seek(index) {
  chosen.at = index;
  show();
  bringIntoView();
}

const bringIntoView = () =>
  board.bringIntoView(fixOf(chosen), chosen?.kind === "flight" ? chosen.fixes : []);

// Saving

async function save(format) {
  const fixes = entries.flatMap(fixesOf);
  if (fixes.length === 0) return warn("There is no fix yet to save.");
  const content = await attempt(() => service.exported(fixes, format));
  if (!content) return undefined;
  const link = element("a", { href: URL.createObjectURL(content), download: `fixes.${format}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  return say(`${plural(fixes.length, "fix").replace("fixs", "fixes")} saved as ${link.download}`);
}

// The result, or nothing where the service refuses; its words are shown.
async function attempt(ask) {
  warn("");
  try {
    return await ask();
  } catch (refusal) {
    warn(refusal.message);
    return null;
  }
}

// Controls

function submits(id, action) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

for (const id of ["files", "folder"]) {
  byId(id).addEventListener("change", () => {
    add([...byId(id).files]);
    byId(id).value = "";
  });
}
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
  });
}
document.addEventListener("drop", async (event) => add(await dropped(event.dataTransfer)));
for (const box of document.querySelectorAll(".layers input")) {
  on[box.value] = box.checked;
  box.addEventListener("change", () => {
    on[box.value] = box.checked;
    draw();
  });
}
for (const button of document.querySelectorAll("[data-format]")) {
  button.addEventListener("click", () => save(button.dataset.format));
}
byId("clear").addEventListener("click", clear);
byId("near").addEventListener("change", draw);
byId("near-view").addEventListener("click", () => {
  setNear(board.view());
  draw();
});
byId("near-clear").addEventListener("click", () => {
  setNear(null);
  draw();
});
byId("telemetry").addEventListener("change", () => {
  chosen.telemetry = byId("telemetry").files[0] ?? chosen.telemetry;
  nameTelemetry();
});
byId("moment").addEventListener("input", () => seek(Number(byId("moment").value)));
byId("play").addEventListener("click", () => play(chosen, seek));
byId("stop").addEventListener("click", () => attempt(() => stop(chosen)));
submits("pose", () => again(chosen));
submits("flight", () => startFlight(chosen));
if (window.matchMedia("(max-width: 50rem)").matches) byId("layers").open = false;
paintRamp(byId("ramp"));
start();
