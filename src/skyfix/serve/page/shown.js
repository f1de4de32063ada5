// The panel of the chosen photo: what was found, and the photo beside the tiles that look like it.
import { camera } from "./drawing.js";
import { byId, clock, deviations, element, known, metres, plural, position } from "./element.js";
import { tagOf, title } from "./entries.js";
import { distanceM, within } from "./geometry.js";
import { thumbnail } from "./service.js";

const pictures = new Map();
let source = { file: null, url: "", seen: null };

// Fill the panel for an entry, its fix (or null) and the rank of the tile beside the photo.
export function describe(entry, fix, rank, onTile) {
  const panel = byId("shown");
  panel.replaceChildren();
  element("h2", {}, panel, title(entry, fix));
  if (entry.problem) element("p", { class: "why" }, panel, entry.problem);
  if (fix && !fix.located) element("p", { class: "why" }, panel, `Not located. ${fix.reason}`);
  for (const note of entry.notes ?? []) element("p", { class: "why" }, panel, note);
  const pair = element("div", { class: "pair" }, panel);
  drawPhoto(entry, fix, pair);
  if (!fix) return;
  if (fix.candidates.length) drawTile(fix, rank, pair);
  drawFacts(fix, panel);
  if (fix.candidates.length) drawTiles(fix, rank, panel, onTile);
}

export function lightTile(fix, rank) {
  for (const button of byId("shown").querySelectorAll("[data-rank]")) {
    button.classList.toggle("lit", Number(button.dataset.rank) === rank);
  }
  const pair = byId("shown").querySelector(".pair");
  pair.lastElementChild.remove();
  drawTile(fix, rank, pair);
}

function drawPhoto(entry, fix, pair) {
  const figure = element("figure", {}, pair), video = entry.kind === "flight";
  if (source.file !== entry.file) open(entry, video);
  if (video) source.seen.currentTime = fix?.time_s ?? 0;
  figure.append(source.seen);
  element("figcaption", {}, figure, video ? "Frame" : "Photo");
}

// One file at a time is held open, and one element shows it: a new one would flicker.
function open({ file, name }, video) {
  if (source.url) URL.revokeObjectURL(source.url);
  const url = URL.createObjectURL(file);
  const seen = video ? element("video", { "aria-label": `Frame of ${name}`, preload: "auto", playsinline: "" })
    : element("img", { alt: `Photo ${name}` });
  seen.muted = true;
  source = { file, url, seen };
  seen.addEventListener("error", () => {
    const words = `The browser cannot show this ${video ? "video" : "photo"}.`;
    const instead = element("p", { class: "soft blank" }, null, words);
    seen.replaceWith(instead);
    source.seen = instead;
  });
  seen.src = url;
}

function drawTile(fix, rank, pair) {
  const one = fix.candidates[rank];
  const figure = element("figure", {}, pair), frame = element("div", { class: "framed" }, figure);
  drawThumbnail(fix, one, frame, `Tile ${rank + 1}`);
  const framed = one.corners?.length ? drawFrame(fix, one, rank, frame) : "";
  element("figcaption", {}, figure, `Tile ${rank + 1}, ${deviations(one.score)}${framed}`);
}

// Frame what the photo shows of the tile: its footprint, else the whole best tile.
function drawFrame(fix, one, rank, frame) {
  const over = element("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }, frame);
  const points = (places) => places.map((place) => within(one.corners, place).join(",")).join(" ");
  if (fix.located && fix.footprint?.length > 2) {
    element("polygon", { class: "outline", points: points(fix.footprint) }, over);
    element("polyline", { class: "top", points: points(fix.footprint.slice(0, 2)) }, over);
  } else if (rank === 0) {
    element("rect", { class: "whole", width: 1, height: 1 }, over);
  }
  if (!fix.located) return "";
  const [right, down] = within(one.corners, [fix.lon, fix.lat]);
  if (Math.min(right, down) < 0 || Math.max(right, down) > 1) return "; the fix lies outside";
  const dot = element("i", { class: "spot" }, frame);
  dot.style.left = `${100 * right}%`;
  dot.style.top = `${100 * down}%`;
  return "";
}

async function drawThumbnail(fix, one, parent, alt) {
  const picture = element("img", { alt }, parent), name = `${fix.gallery}/${one.tile}`;
  if (!pictures.has(name)) {
    pictures.set(name, thumbnail(fix.gallery, one.tile).then((blob) => URL.createObjectURL(blob)));
  }
  try {
    picture.src = await pictures.get(name);
  } catch (refusal) {
    pictures.delete(name);
    picture.replaceWith(element("p", { class: "soft blank" }, null, refusal.message));
  }
}

function drawFacts(fix, panel) {
  const list = element("dl", {}, panel), eye = camera(fix), tag = tagOf(fix);
  const row = (name, value) => {
    element("dt", {}, list, name);
    return element("dd", {}, list, value);
  };
  if (fix.located) {
    row("Ground (lat, lon)", position(fix.lat, fix.lon)).id = "ground";
    if (eye) row("Camera (lat, lon)", position(eye[1], eye[0]));
    row("Accuracy 68 / 95 %", `${metres(fix.accuracy_m)} / ${metres(fix.accuracy_95_m)}`);
  }
  row("Confidence", `${(100 * fix.confidence).toFixed(0)} %`);
  if (known(fix.heading_deg)) row("Heading", `${fix.heading_deg.toFixed(0)}°`);
  if (fix.located) row("Method", fix.method);
  if (clock(fix)) row("Time", clock(fix));
  if (!tag) return;
  row(tag.name, position(tag.lat, tag.lon));
  const error = errorOf(fix);
  if (error !== null) row(`${eye ? "Camera" : "Ground"} off by`, metres(error)).id = "distance";
}

// From the camera, or from the ground where the camera is not known, to the tag or telemetry.
export function errorOf(fix) {
  const tag = tagOf(fix);
  if (!tag || !fix.located) return null;
  return distanceM(camera(fix) ?? [fix.lon, fix.lat], [tag.lon, tag.lat]);
}

function drawTiles(fix, rank, panel, onTile) {
  element("h3", {}, panel, plural(fix.candidates.length, "best tile"));
  element("p", { class: "soft small" }, panel,
    "Scores are standard deviations (sd) above the mean of the whole gallery.");
  const list = element("ol", { class: "tiles" }, panel);
  fix.candidates.forEach((one, place) => {
    const made = element("button", { type: "button", "data-rank": place, title: one.tile,
      "aria-label": `Show tile ${place + 1}, ${deviations(one.score)} above the mean` },
    element("li", {}, list));
    drawThumbnail(fix, one, made, "");
    element("span", {}, made, `${place + 1}. ${deviations(one.score)}`);
    made.classList.toggle("lit", place === rank);
    made.addEventListener("click", () => onTile(place));
  });
}
