// Places on the ground, [longitude, latitude] in degrees; distances in metres on a sphere.
const RADIUS_M = 6371008.8;
const radians = (degrees) => (degrees * Math.PI) / 180;
const degrees = (value) => (value * 180) / Math.PI;

export function distanceM([lon1, lat1], [lon2, lat2]) {
  const high = Math.sin(radians(lat2 - lat1) / 2), wide = Math.sin(radians(lon2 - lon1) / 2);
  const part = high ** 2 + Math.cos(radians(lat1)) * Math.cos(radians(lat2)) * wide ** 2;
  return 2 * RADIUS_M * Math.asin(Math.min(1, Math.sqrt(part)));
}

// Closed ring of points at a distance from a place.
export function ringAround([lon, lat], radiusM, points = 72) {
  const far = radiusM / RADIUS_M, level = radians(lat), ring = [];
  for (let step = 0; step <= points; step += 1) {
    const way = (2 * Math.PI * step) / points;
    const high = Math.asin(
      Math.sin(level) * Math.cos(far) + Math.cos(level) * Math.sin(far) * Math.cos(way));
    const turn = Math.atan2(Math.sin(way) * Math.sin(far) * Math.cos(level),
      Math.cos(far) - Math.sin(level) * Math.sin(high));
    ring.push([lon + degrees(turn), degrees(high)]);
  }
  return ring;
}

// [west, south, east, north] of places.
export function boundsOf(places) {
  const lons = places.map((place) => place[0]), lats = places.map((place) => place[1]);
  return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
}

// Where a place lies in a picture of the ground: right and down, 0 to 1 from the upper left, for
// corners from the upper left clockwise.
export function within(corners, [lon, lat]) {
  const [start, right, , down] = corners;
  const [ax, ay] = [right[0] - start[0], right[1] - start[1]];
  const [bx, by] = [down[0] - start[0], down[1] - start[1]];
  const [px, py] = [lon - start[0], lat - start[1]], whole = ax * by - ay * bx;
  return [(px * by - py * bx) / whole, (ax * py - ay * px) / whole];
}
