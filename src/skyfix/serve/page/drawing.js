// What is drawn on the map, as GeoJSON features by kind, and how each kind looks.
import { known } from "./element.js";
import { ringAround } from "./geometry.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const feature = (kind, type, coordinates, more = {}) =>
  ({ type: "Feature", properties: { kind, ...more }, geometry: { type, coordinates } });
const area = (kind, ring) => feature(kind, "Polygon", [ring]);
const closed = (ring) => [...ring, ring[0]];

export const camera = (fix) => (known(fix.camera_lon) ? [fix.camera_lon, fix.camera_lat] : null);

// Layers of the style, lowest first; all of them read one source.
export function looks() {
  const [fix, ground, eye, tile, path] =
    ["--fix", "--area", "--eye", "--tile", "--path"].map(colour);
  const of = (kind) => ["==", ["get", "kind"], kind];
  const fill = (kind, paint) => ({ id: `${kind}-fill`, type: "fill", source: "drawn",
    filter: of(kind), paint: { "fill-antialias": false, ...paint } });
  const line = (kind, paint, id = kind) => ({ id, type: "line", source: "drawn",
    filter: of(kind), paint, layout: { "line-cap": "round", "line-join": "round" } });
  const dots = { id: "dot", type: "circle", source: "drawn", filter: of("dot"), paint: {
    "circle-radius": ["get", "radius"], "circle-color": fix, "circle-stroke-color": "#000",
    "circle-stroke-width": 1.2 } };
  const dashes = (dash) => ({ "line-dasharray": dash });
  return [
    fill("r95", { "fill-color": fix, "fill-opacity": 0.07 }),
    line("r95", { "line-color": fix, "line-width": 1.5, ...dashes([3, 3]) }),
    fill("r68", { "fill-color": fix, "fill-opacity": 0.16 }),
    line("r68", { "line-color": fix, "line-width": 1.5 }),
    fill("outline", { "fill-color": ground, "fill-opacity": 0.1 }),
    line("outline", { "line-color": ground, "line-width": 1.5 }),
    line("top", { "line-color": ground, "line-width": 4 }),
    line("near", { "line-color": "#000", "line-width": 4, "line-opacity": 0.5 }, "near-casing"),
    line("near", { "line-color": "#fff", "line-width": 2, ...dashes([2, 3]) }),
    line("tile", { "line-color": tile, "line-width": 2.5 }),
    line("later", { "line-color": path, "line-width": 2, "line-opacity": 0.4 }),
    line("path", { "line-color": "#000", "line-width": 6, "line-opacity": 0.65 }, "casing"),
    line("path", { "line-color": path, "line-width": 3 }),
    line("sight", { "line-color": eye, "line-width": 1.2, ...dashes([2, 3]) }),
    dots,
  ];
}

// The features of what is shown: {fix, tile, dots, track, at, near, on}, where `on` says which
// layers are switched on.
export function features(shown) {
  const { fix, near, on } = shown, made = [];
  if (near) made.push(feature("near", "LineString", ringAround([near.lon, near.lat], near.radius_m)));
  for (const [index, one] of shown.dots.entries()) {
    if (one !== fix && one?.located) {
      made.push(feature("dot", "Point", [one.lon, one.lat], { index, radius: shown.dots.length > 40 ? 3 : 5 }));
    }
  }
  if (on.track) made.push(...wayOf(shown.track, shown.at));
  if (fix?.located) made.push(...groundOf(fix, on));
  if (shown.tile?.corners?.length && on.candidates) made.push(feature("tile", "LineString", closed(shown.tile.corners)));
  return { type: "FeatureCollection", features: made };
}

function groundOf(fix, on) {
  const centre = [fix.lon, fix.lat], eye = camera(fix), made = [];
  if (on.circles) {
    made.push(area("r95", ringAround(centre, fix.accuracy_95_m)));
    made.push(area("r68", ringAround(centre, fix.accuracy_m)));
  }
  if (on.footprints && fix.footprint?.length > 2) {
    made.push(area("outline", closed(fix.footprint)));
    made.push(feature("top", "LineString", fix.footprint.slice(0, 2)));
  }
  if (on.cameras && eye) made.push(feature("sight", "LineString", [eye, centre]));
  return made;
}

// The flown way through the cameras, else the grounds; what was not located breaks it.
function wayOf(fixes, at) {
  const places = fixes.map((fix) => (fix.located ? camera(fix) ?? [fix.lon, fix.lat] : null));
  return [...piecesOf("later", places), ...piecesOf("path", places.slice(0, at + 1))];
}

function piecesOf(kind, places) {
  const pieces = [[]];
  for (const place of places) {
    if (place) pieces.at(-1).push(place);
    else pieces.push([]);
  }
  return pieces.filter((piece) => piece.length > 1)
    .map((piece) => feature(kind, "LineString", piece));
}
