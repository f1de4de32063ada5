// Similarity over the gallery as a picture: a grid of scores in, coloured cells out.
const STOPS = [[49, 18, 107], [126, 33, 128], [205, 62, 92], [246, 134, 52], [252, 226, 120]];
const HEIGHT_PX = 512;

function shade(part) {
  const place = part * (STOPS.length - 1), below = Math.min(Math.floor(place), STOPS.length - 2);
  const mix = (channel) => Math.round(STOPS[below][channel]
    + (place - below) * (STOPS[below + 1][channel] - STOPS[below][channel]));
  return `rgb(${mix(0)} ${mix(1)} ${mix(2)} / ${(0.08 + 0.6 * part ** 1.5).toFixed(3)})`;
}

const mercator = (lat) => Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360));

// The picture with the corners that it is pinned to, and the least and the largest score. Rows of
// the grid are even in latitude, rows of the picture in web mercator.
export function heatOf(grid) {
  const [west, south, east, north] = grid.bounds;
  const scores = grid.values.filter((value) => value !== null);
  if (scores.length === 0) return null;
  const low = Math.min(...scores), high = Math.max(...scores);
  const canvas = document.createElement("canvas");
  canvas.height = HEIGHT_PX;
  canvas.width = grid.columns * Math.max(1, Math.round(HEIGHT_PX / grid.columns));
  const brush = canvas.getContext("2d"), cell = canvas.width / grid.columns;
  const top = mercator(north), bottom = mercator(south);
  const edge = (row) => Math.round(HEIGHT_PX
    * (top - mercator(north - (row * (north - south)) / grid.rows)) / (top - bottom));
  grid.values.forEach((value, index) => {
    if (value === null) return;
    const row = Math.floor(index / grid.columns), column = index % grid.columns;
    brush.fillStyle = shade((value - low) / (high - low || 1));
    brush.fillRect(column * cell, edge(row), cell, edge(row + 1) - edge(row));
  });
  const corners = [[west, north], [east, north], [east, south], [west, south]];
  return { canvas, corners, low, high };
}

export function paintRamp(canvas) {
  const brush = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x += 1) {
    brush.fillStyle = shade(x / (canvas.width - 1));
    brush.fillRect(x, 0, 1, canvas.height);
  }
}
