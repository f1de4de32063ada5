"use strict";
// Longer than other files: the page is one file without a network, and this is all of its program.
// Metres on the page: x to the east, y to the south of an origin. Screen pixels = metres * zoom.
const data = JSON.parse(document.getElementById("data").textContent);
const svgNames = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const map = byId("map"), world = byId("world"), shown = byId("shown"), slider = byId("moment");
const [boxX, boxY, boxWidth, boxHeight] = data.box;
const order = data.order, crowded = data.fixes.length > 40;
const layers = { circles: true, footprints: true, cameras: true, candidates: true, track: true };
let view = { x: boxX + boxWidth / 2, y: boxY + boxHeight / 2, zoom: 1 };
let chosen = -1, lit = -1, timer = 0, sizedFor = 0;

function element(name, attributes = {}, parent = null, text = "") {
  const drawn = ["svg", "g", "circle", "path", "polygon", "polyline", "line", "text", "image",
    "title", "rect"].includes(name);
  const made = drawn ? document.createElementNS(svgNames, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== "") made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

const metres = (value) =>
  value >= 1000 ? `${(value / 1000).toFixed(1)} km` : `${value < 10 ? value.toFixed(1) : Math.round(value)} m`;
const position = (lat, lon) => `${lat.toFixed(6)}, ${lon.toFixed(6)}`;
const [base, rest, line, dots, front] =
  ["base", "rest", "line", "dots", "front"].map((name) => element("g", { class: name }, world));
const pairs = (points) => points.map((point) => point.join(",")).join(" ");

// The view

function fit(box = data.box) {
  const { width, height } = map.getBoundingClientRect();
  view = { x: box[0] + box[2] / 2, y: box[1] + box[3] / 2,
    zoom: Math.min(width / box[2], height / box[3]) || 1 };
  place();
}

function place() {
  const { width, height } = map.getBoundingClientRect();
  const x = width / 2 - view.x * view.zoom, y = height / 2 - view.y * view.zoom;
  world.setAttribute("transform", `translate(${x} ${y}) scale(${view.zoom})`);
  if (sizedFor !== view.zoom) {
    sizedFor = view.zoom;
    for (const made of world.querySelectorAll(".mark")) size(made);
  }
  const about = 110 / view.zoom, power = 10 ** Math.floor(Math.log10(about));
  const length = [5, 2, 1].map((step) => step * power).find((step) => step <= about) || power;
  byId("bar").style.width = `${length * view.zoom}px`;
  byId("length").textContent = metres(length);
}

// Marks keep their size on the screen.
function size(made) {
  const { x, y } = made.dataset;
  made.setAttribute("transform", `translate(${x} ${y}) scale(${1 / view.zoom})`);
}

function zoomBy(factor, screenX, screenY) {
  const box = map.getBoundingClientRect();
  const dx = (screenX ?? box.width / 2) - box.width / 2, dy = (screenY ?? box.height / 2) - box.height / 2;
  const least = 0.2 * Math.min(box.width / boxWidth, box.height / boxHeight);
  const zoom = Math.min(Math.max(view.zoom * factor, least), 60);
  view.x += dx / view.zoom - dx / zoom;
  view.y += dy / view.zoom - dy / zoom;
  view.zoom = zoom;
  place();
}

function bringIntoView(x, y) {
  const { width, height } = map.getBoundingClientRect();
  const offX = Math.abs(x - view.x) * view.zoom, offY = Math.abs(y - view.y) * view.zoom;
  if (offX > 0.42 * width || offY > 0.42 * height) {
    view.x = x;
    view.y = y;
  }
  place();
}

const fingers = new Map();
let moved = 0;
map.addEventListener("pointerdown", (event) => {
  fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
  moved = 0;
});
map.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const box = map.getBoundingClientRect(), now = [event.clientX - box.left, event.clientY - box.top];
  const was = [...fingers.values()];
  fingers.set(event.pointerId, now);
  const is = [...fingers.values()];
  const middle = (points, axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const shift = [middle(is, 0) - middle(was, 0), middle(is, 1) - middle(was, 1)];
  moved += Math.hypot(...shift);
  if (moved > 4 && !map.hasPointerCapture(event.pointerId)) map.setPointerCapture(event.pointerId);
  view.x -= shift[0] / view.zoom;
  view.y -= shift[1] / view.zoom;
  if (is.length === 2) {
    const apart = (points) => Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]);
    zoomBy(apart(is) / Math.max(apart(was), 1), middle(is, 0), middle(is, 1));
  }
  place();
});
for (const kind of ["pointerup", "pointercancel", "pointerleave"]) {
  map.addEventListener(kind, (event) => fingers.delete(event.pointerId));
}
map.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = map.getBoundingClientRect();
  zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)),
    event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
map.addEventListener("keydown", (event) => {
  const step = 80 / view.zoom;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (moves[event.key]) {
    view.x += moves[event.key][0];
    view.y += moves[event.key][1];
    place();
  } else if (event.key === "+" || event.key === "=") zoomBy(1.4);
  else if (event.key === "-") zoomBy(1 / 1.4);
  else if (event.key === "0") fit();
  else return;
  event.preventDefault();
});
byId("in").addEventListener("click", () => zoomBy(1.6));
byId("out").addEventListener("click", () => zoomBy(1 / 1.6));
byId("fit").addEventListener("click", () => fit());
new ResizeObserver(() => place()).observe(map);

// What is drawn

function mark(parent, x, y, name, action) {
  const made = element("g", { class: "mark" }, parent);
  made.dataset.x = x;
  made.dataset.y = y;
  size(made);
  element("title", {}, made, name);
  made.addEventListener("click", () => { if (moved < 5) action(); });
  return made;
}

function drawArea(fix, parent) {
  if (layers.circles) {
    // Of the others the inner circle alone, or the map would be full of lines.
    if (fix === data.fixes[chosen]) {
      element("circle", { class: "r95", cx: fix.x, cy: fix.y, r: fix.accuracy_95_m }, parent);
    }
    element("circle", { class: "r68", cx: fix.x, cy: fix.y, r: fix.accuracy_m }, parent);
  }
  if (layers.footprints && fix.footprint.length > 2) {
    element("polygon", { class: "outline", points: pairs(fix.footprint) }, parent);
  }
}

function drawCamera(fix, parent, action) {
  const [x, y] = fix.camera;
  element("line", { class: "sight", x1: x, y1: y, x2: fix.x, y2: fix.y }, parent);
  const eye = mark(parent, x, y, `Camera of ${fix.name}`, action);
  element("path", { class: "eye", d: "M0-6L6 5H-6Z",
    transform: `rotate(${fix.heading_deg ?? 0})` }, eye);
}

function drawTrack() {
  const now = Number(slider.value), rank = new Map(order.map((index, place) => [index, place]));
  for (const part of data.track) {
    const points = part.map((index) => [data.fixes[index].x, data.fixes[index].y]);
    const done = part.filter((index) => rank.get(index) <= now).length;
    element("polyline", { class: "casing later", points: pairs(points) }, line);
    element("polyline", { class: "path later", points: pairs(points) }, line);
    element("polyline", { class: "path", points: pairs(points.slice(0, done)) }, line);
  }
}

// What stays the same: imagery and a dot for every fix.
function drawOnce() {
  if (data.picture) {
    const { source, x, y, width, height } = data.picture;
    element("image", { href: source, x, y, width, height, preserveAspectRatio: "none" }, base);
  }
  data.fixes.forEach((fix, index) => {
    if (!fix.located) return;
    const made = mark(dots, fix.x, fix.y, fix.name, () => choose(index));
    element("circle", { class: crowded ? "dot thin" : "dot", r: crowded ? 3 : 6 }, made);
  });
}

function draw() {
  for (const group of [rest, line, front]) group.replaceChildren();
  if (!crowded) {
    data.fixes.forEach((fix, index) => {
      if (!fix.located || index === chosen) return;
      drawArea(fix, rest);
      if (layers.cameras && fix.camera) drawCamera(fix, rest, () => choose(index));
    });
  }
  if (layers.track && slider) drawTrack();
  if (chosen >= 0) drawChosen(data.fixes[chosen]);
}

function drawChosen(fix) {
  if (fix.located) {
    drawArea(fix, front);
    if (layers.cameras && fix.camera) drawCamera(fix, front, () => {});
  }
  if (layers.candidates) {
    fix.candidates.map((one, rank) => [one, rank]).reverse().forEach(([one, rank]) => {
      const name = `${rank + 1}. tile, score ${one.score.toFixed(2)}`;
      const made = mark(front, one.x, one.y, name, () => light(rank, true));
      made.addEventListener("pointerenter", () => light(rank, false));
      made.dataset.rank = rank;
      // Beside the place, where the dot of the fix would hide it.
      element("path", { class: "stem", d: "M0 0V-13" }, made);
      element("circle", { class: "tile", cy: -22, r: 9 }, made);
      element("text", { y: -18 }, made, String(rank + 1));
      if (rank === lit) made.classList.add("lit");
    });
  }
  if (!fix.located) return;
  const made = mark(front, fix.x, fix.y, fix.name, () => {});
  made.classList.add("chosen");
  element("circle", { class: "halo", r: 7 }, made);
  element("circle", { class: "dot", r: 7 }, made);
}

function light(rank, move) {
  lit = rank;
  for (const made of document.querySelectorAll("[data-rank]")) {
    made.classList.toggle("lit", Number(made.dataset.rank) === rank);
  }
  const one = chosen >= 0 ? data.fixes[chosen].candidates[rank] : null;
  if (move && one) bringIntoView(one.x, one.y);
}

// The panel

function row(list, name, value) {
  element("dt", {}, list, name);
  element("dd", {}, list, value);
}

function describe(fix) {
  shown.replaceChildren();
  element("h2", {}, shown, fix.name);
  if (!fix.located) element("p", { class: "why" }, shown, `Not located. ${fix.reason}`);
  if (fix.picture) element("img", { class: "photo", src: fix.picture, alt: `Photo ${fix.name}` }, shown);
  const list = element("dl", {}, shown);
  if (fix.located) {
    row(list, "Ground (lat, lon)", position(fix.lat, fix.lon));
    if (fix.camera) row(list, "Camera (lat, lon)", position(fix.camera_lat, fix.camera_lon));
    row(list, "Accuracy 68 / 95 %", `${metres(fix.accuracy_m)} / ${metres(fix.accuracy_95_m)}`);
  }
  row(list, "Confidence", `${(100 * fix.confidence).toFixed(0)} %`);
  if (fix.heading_deg !== null) row(list, "Heading", `${fix.heading_deg.toFixed(0)}°`);
  if (fix.located) row(list, "Method", fix.method);
  if (fix.time) row(list, "Time", fix.time);
  if (fix.candidates.length) describeTiles(fix);
}

function describeTiles(fix) {
  element("h3", {}, shown, "Best tiles and their scores");
  const list = element("ol", { class: "tiles" }, shown);
  fix.candidates.forEach((one, rank) => {
    const made = element("button", { type: "button", "data-rank": rank, title: one.tile,
      "aria-label": `Show tile ${rank + 1}, score ${one.score.toFixed(2)}` },
    element("li", {}, list));
    if (data.tiles[one.tile]) element("img", { src: data.tiles[one.tile], alt: "" }, made);
    element("span", {}, made, `${rank + 1}. ${one.score.toFixed(2)}`);
    made.addEventListener("pointerenter", () => light(rank, false));
    made.addEventListener("focus", () => light(rank, false));
    made.addEventListener("click", () => light(rank, true));
  });
}

function choose(index, follow = true) {
  chosen = index;
  lit = -1;
  const fix = data.fixes[index];
  if (slider && order.includes(index)) {
    slider.value = order.indexOf(index);
    byId("clock").textContent = clock(fix.time);
    slider.setAttribute("aria-valuetext", fix.time);
  }
  for (const button of document.querySelectorAll(".list button")) {
    if (Number(button.dataset.fix) === index) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  describe(fix);
  draw();
  if (follow && fix.located) bringIntoView(fix.x, fix.y);
}

// Without the date, where it is the same for all.
function clock(time) {
  const day = time.slice(0, 11);
  return data.fixes.every((fix) => fix.time.startsWith(day)) ? time.slice(11) : time;
}

function listFixes(id, wanted) {
  data.fixes.forEach((fix, index) => {
    if (fix.located !== wanted) return;
    const button = element("button", { type: "button", "data-fix": index }, element("li", {}, byId(id)));
    element("b", {}, button, fix.name);
    element("span", {}, button, wanted ? `68 % within ${metres(fix.accuracy_m)}` : `${(100 * fix.confidence).toFixed(0)} %`);
    if (!wanted) element("span", { class: "reason" }, button, fix.reason);
    button.addEventListener("click", () => choose(index));
  });
}

// Time

function play() {
  if (timer) {
    clearInterval(timer);
    timer = 0;
  } else {
    if (Number(slider.value) === order.length - 1) slider.value = 0;
    timer = setInterval(() => {
      if (Number(slider.value) >= order.length - 1) return play();
      return choose(order[Number(slider.value) + 1]);
    }, Math.max(60, Math.min(500, 20000 / order.length)));
  }
  byId("play").textContent = timer ? "❚❚" : "▶";
  byId("play").setAttribute("aria-label", timer ? "Stop" : "Play");
}

listFixes("located", true);
listFixes("lost", false);
for (const box of document.querySelectorAll(".layers input")) {
  box.addEventListener("change", () => {
    layers[box.value] = box.checked;
    draw();
  });
}
if (slider) {
  slider.addEventListener("input", () => choose(order[Number(slider.value)]));
  byId("play").addEventListener("click", play);
}
if (window.matchMedia("(max-width: 50rem)").matches) byId("layers").open = false;
drawOnce();
fit();
choose(data.first, false);
