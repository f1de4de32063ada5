// The form of what is known of the camera, and the circle to search in.
import { byId, known } from "./element.js";
import { Refusal } from "./service.js";

const FIELDS = ["heading_deg", "pitch_deg", "roll_deg", "altitude_m", "field_of_view_deg"];
const NEAR = ["near-lon", "near-lat", "near-radius"];
const field = (name) => byId("pose").elements[name];

const shown = (name, value) =>
  Number((name === "heading_deg" ? ((value % 360) + 360) % 360 : value).toFixed(2));

export function fillPose(pose) {
  for (const name of FIELDS) {
    field(name).value = known(pose?.[name]) ? shown(name, pose[name]) : "";
  }
}

// What is sent for a photo: exactly the form, so that an emptied field counts as unknown.
export function poseInForm() {
  const filled = FIELDS.filter((name) => field(name).value !== "");
  return Object.fromEntries([...filled.map((name) => [name, Number(field(name).value)]),
    ["metadata", false]]);
}

// {lon, lat, radius_m}, or null where there is no such circle.
export function nearCircle() {
  const [lon, lat, radius] = NEAR.map((id) => byId(id).value);
  if (lon === "" && lat === "" && radius === "") return null;
  const inRange = NEAR.every((id) => byId(id).checkValidity());
  if (lon === "" || lat === "" || radius === "" || !inRange) {
    byId("near").open = true;
    throw new Refusal("To search near a point, give its longitude, latitude and a radius in metres.");
  }
  return { lon: Number(lon), lat: Number(lat), radius_m: Number(radius) };
}

export function setNear(circle) {
  const values = circle
    ? [circle.lon.toFixed(6), circle.lat.toFixed(6), Math.round(circle.radius_m)] : ["", "", ""];
  NEAR.forEach((id, index) => { byId(id).value = values[index]; });
}

export const nearText = (circle) => circle && `${circle.lon},${circle.lat},${circle.radius_m}`;
