// The map: the gallery's own imagery, and what was found on it.
import * as maplibre from "./vendor/maplibre-gl.mjs";
import { camera, features, looks } from "./drawing.js";
import { byId, deviations, element, metres } from "./element.js";
import { boundsOf, distanceM, ringAround } from "./geometry.js";
import { address, keyHeaders } from "./service.js";

const NOWHERE = [[0, 1], [1, 1], [1, 0], [0, 0]];
const SMALL = 0.1;

export class Board {
  // `onDot` gets the number of a clicked dot, `onTile` the rank of a clicked tile.
  constructor(onDot, onTile) {
    this.onTile = onTile;
    this.markers = [];
    try {
      this.map = new maplibre.Map(options());
    } catch {
      byId("nomap").hidden = false;
      return;
    }
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.on("move", () => this.#scale());
    this.map.on("click", "dot", (event) => onDot(event.features[0].properties.index));
    byId("in").addEventListener("click", () => this.map.zoomIn());
    byId("out").addEventListener("click", () => this.map.zoomOut());
    byId("fit").addEventListener("click", () => this.fit());
    this.ready = new Promise((resolve) => { this.map.once("load", resolve); });
  }

  async useGallery(gallery) {
    this.gallery = gallery;
    if (!this.map) return;
    await this.ready;
    if (this.map.getLayer("imagery")) {
      this.map.removeLayer("imagery");
      this.map.removeSource("imagery");
    }
    if (gallery.imagery) {
      const path = `v1/galleries/${encodeURIComponent(gallery.id)}/map/`;
      this.map.addSource("imagery", { type: "raster", tileSize: 256, bounds: gallery.bounds,
        tiles: [`${address(path)}{z}/{x}/{y}.png`], minzoom: gallery.min_zoom,
        maxzoom: gallery.max_zoom });
      this.map.addLayer({ id: "imagery", type: "raster", source: "imagery",
        paint: { "raster-fade-duration": 0 } }, "heat");
    }
    this.fit();
    this.#scale();
  }

  fit() {
    this.map?.fitBounds(this.gallery.bounds, { padding: 24 });
  }

  // Move only where it is needed, and then so that the whole flight is seen, if there is one.
  bringIntoView(fix, flight = []) {
    if (!this.map || !fix?.located) return;
    const [west, south, east, north] = boundsOf(groundOf(fix)), seen = this.map.getBounds();
    const inside = seen.contains([west, south]) && seen.contains([east, north]);
    const share = (north - south) / (seen.getNorth() - seen.getSouth());
    if (inside && (flight.length > 0 || share > SMALL)) return;
    const all = [fix, ...flight.filter((one) => one.located)].flatMap(groundOf);
    // A style's zoom counts tiles of 512 px: this is one pixel of the imagery on one of the screen.
    this.map.fitBounds(boundsOf(all), { padding: this.map.getContainer().clientWidth / 12,
      maxZoom: this.gallery.max_zoom - 1 });
  }

  // Centre and radius of what is in view.
  view() {
    if (!this.map) return null;
    const centre = this.map.getCenter().toArray(), seen = this.map.getBounds();
    const reach = Math.min(distanceM(centre, [seen.getEast(), centre[1]]),
      distanceM(centre, [centre[0], seen.getNorth()]));
    return { lon: centre[0], lat: centre[1], radius_m: reach };
  }

  // `shown` as for `features`, with the picture of similarities as `heat`.
  async draw(shown) {
    if (!this.map) return;
    this.shown = shown;
    await this.ready;
    if (this.shown !== shown) return;
    this.map.getSource("drawn").setData(features(shown));
    this.#drawHeat(shown.on.heat ? shown.heat : null);
    for (const marker of this.markers) marker.remove();
    this.markers = [];
    if (shown.fix) this.#mark(shown.fix, shown);
  }

  #drawHeat(heat) {
    if (heat && this.heat !== heat) {
      this.map.getSource("heat").updateImage({ image: heat.canvas, coordinates: heat.corners });
      this.heat = heat;
    }
    this.map.setLayoutProperty("heat", "visibility", heat ? "visible" : "none");
  }

  #mark(fix, { on, tile, tag }) {
    if (on.tags && tag) this.#pin("tag", tag, tag.name, sign("path", { d: "M-6-6L6 6M6-6L-6 6" }));
    if (on.candidates) {
      for (const [rank, one] of [...fix.candidates.entries()].reverse()) {
        this.#pinTile(one, rank, one === tile);
      }
    }
    const eye = camera(fix);
    if (on.cameras && fix.located && eye) {
      this.#pin("eye", { lon: eye[0], lat: eye[1] }, "Camera", sign("path",
        { d: "M0-6L6 5H-6Z", transform: `rotate(${fix.heading_deg ?? 0})` }));
    }
    if (fix.located) this.#pin("found", fix, "Ground at the centre of the photo", sign("circle", { r: 7 }));
  }

  #pinTile(one, rank, lit) {
    const made = element("button", { type: "button", class: "pin candidate", "data-rank": rank,
      "aria-label": `Tile ${rank + 1}, ${deviations(one.score)} above the mean` });
    element("b", {}, made, String(rank + 1));
    if (lit || rank === 0) element("span", {}, made, deviations(one.score));
    if (lit) made.classList.add("lit");
    made.addEventListener("click", (event) => {
      event.stopPropagation();
      this.onTile(rank);
    });
    this.#place(made, one, "bottom");
  }

  #pin(kind, place, name, drawn) {
    const made = element("div", { class: `pin ${kind}`, role: "img", "aria-label": name, title: name });
    made.append(drawn);
    this.#place(made, place);
  }

  #place(made, { lon, lat }, anchor = "center") {
    made.dataset.lon = lon;
    made.dataset.lat = lat;
    const marker = new maplibre.Marker({ element: made, anchor });
    this.markers.push(marker.setLngLat([lon, lat]).addTo(this.map));
  }

  #scale() {
    const box = this.map.getContainer(), y = box.clientHeight / 2;
    const [left, right] = [0, 110].map((x) => this.map.unproject([x, y]).toArray());
    const most = distanceM(left, right), power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((step) => step * power).find((step) => step <= most) ?? power;
    byId("bar").style.width = `${(110 * length) / most}px`;
    byId("length").textContent = metres(length);
  }
}

function groundOf(fix) {
  const eye = camera(fix), around = ringAround([fix.lon, fix.lat], fix.accuracy_95_m, 8);
  return [...around, ...(fix.footprint ?? []), ...(eye ? [eye] : [])];
}

function options() {
  return {
    container: "map",
    attributionControl: false,
    dragRotate: false,
    touchPitch: false,
    maxPitch: 0,
    maxZoom: 22,
    fadeDuration: 0,
    renderWorldCopies: false,
    locale: { "Map.Title": "Map of fixes. Arrow keys move it, plus and minus zoom." },
    transformRequest: (url) => ({ url, headers: keyHeaders() }),
    style: {
      version: 8,
      sources: {
        heat: { type: "image", coordinates: NOWHERE },
        drawn: { type: "geojson", data: { type: "FeatureCollection", features: [] } },
      },
      layers: [
        { id: "back", type: "background", paint: { "background-color": "#2b3138" } },
        { id: "heat", type: "raster", source: "heat", layout: { visibility: "none" },
          paint: { "raster-fade-duration": 0, "raster-resampling": "nearest" } },
        ...looks(),
      ],
    },
  };
}

function sign(name, attributes) {
  const drawn = element("svg", { width: 22, height: 22, viewBox: "-11 -11 22 22", "aria-hidden": "true" });
  element(name, { ...attributes, class: "halo" }, drawn);
  element(name, { ...attributes, class: "sign" }, drawn);
  return drawn;
}
