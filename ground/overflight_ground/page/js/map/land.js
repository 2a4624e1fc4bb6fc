/** The base map: Natural Earth land, lakes and borders; coarse while moving, fine at rest. */

import { geoCircle, geoGraticule, geoPath } from "../../vendor/d3-geo.js";
import feature from "../../vendor/topojson/feature.js";
import { getFile } from "../api.js";
import { colour } from "../dom.js";
import { isLight } from "../settings.js";
import { RAD, subsolar, vector, wrap } from "./sphere.js";

const FILES = { coarse: "vendor/world-110m.json", fine: "vendor/world-50m.json" };
const maps = {};

/** Load one of the two maps; `fine` is asked for only once the page stands. */
export async function loadLand(detail) {
  const topology = await getFile(FILES[detail]);
  maps[detail] = {
    land: pieces(feature(topology, topology.objects.land)),
    lakes: pieces(feature(topology, topology.objects.lakes)),
    borders: feature(topology, topology.objects.borders).geometry.coordinates.map((line) => piece("LineString", line, line)),
  };
}

export const hasLand = (detail) => detail in maps;

/** Every polygon alone, with a cap around it, so that what is out of view costs nothing. */
function pieces(collection) {
  return collection.features.flatMap(({ geometry }) => {
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    return polygons.filter((rings) => rings.length).map((rings) => piece("Polygon", rings, rings.flat()));
  });
}

function piece(type, coordinates, outline) {
  const vectors = outline.map(([lon, lat]) => vector(lat, lon));
  const sum = vectors.reduce((a, v) => [a[0] + v[0], a[1] + v[1], a[2] + v[2]], [0, 0, 0]);
  const length = Math.hypot(...sum) || 1;
  const centre = sum.map((value) => value / length);
  let lowest = 1;
  for (const v of vectors) lowest = Math.min(lowest, v[0] * centre[0] + v[1] * centre[1] + v[2] * centre[2]);
  return { shape: { type, coordinates }, centre, radius: Math.acos(Math.max(-1, Math.min(1, lowest))) };
}

/** Draw sea, land and lines into `context`. */
export function drawBase(context, eye, { moving, layers, time, backdrop }) {
  const projection = eye.projection({ rough: moving });
  const path = geoPath(projection, context);
  context.fillStyle = colour("space");
  context.fillRect(0, 0, eye.width, eye.height);
  backdrop(context, eye);
  const map = maps[wantsFine(eye, moving) ? "fine" : "coarse"] ?? maps.coarse;
  if (map) drawLand(context, path, eye, map);
  context.strokeStyle = colour("graticule");
  context.lineWidth = 1;
  stroke(context, geoPath(eye.projection(), context), graticule(eye)); // its lines have few points: never rough
  if (layers.has("night")) drawNight(context, path, time, moving);
}

const wantsFine = (eye, moving) => Boolean(maps.fine) && (!moving || eye.k > 2500);

function drawLand(context, path, eye, map) {
  const inView = visibility(eye);
  const trace = (list) => {
    context.beginPath();
    for (const item of list) if (inView(item)) path(item.shape);
  };
  trace(map.land);
  context.fillStyle = colour("land");
  context.fill();
  context.strokeStyle = colour("coast");
  context.lineWidth = 0.8;
  context.stroke();
  trace(map.lakes);
  context.fillStyle = colour("sea");
  context.fill();
  trace(map.borders);
  context.strokeStyle = colour("border");
  context.lineWidth = 0.8;
  context.stroke();
}

function visibility(eye) {
  const reach = eye.viewRadiusDeg() * RAD;
  if (eye.kind === "flat" && eye.zoom < 3) return () => true;
  const [x, y, z] = vector(eye.lat, eye.lon);
  return ({ centre, radius }) => {
    const angle = Math.acos(Math.max(-1, Math.min(1, x * centre[0] + y * centre[1] + z * centre[2])));
    return angle < reach + radius;
  };
}

function stroke(context, path, shape) {
  context.beginPath();
  path(shape);
  context.stroke();
}

const STEPS = [30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005];
const wholeGraticule = geoGraticule().step([15, 15]).extentMinor([[-180, -90 + 1e-6], [180, 90 - 1e-6]])();

/** Lines of latitude and longitude at a step that suits the zoom, only around what is in view. */
function graticule(eye) {
  const across = Math.min(eye.width, eye.height) / eye.k / RAD;
  if (across > 70) return wholeGraticule;
  const step = STEPS.findLast((candidate) => across / candidate <= 7) ?? 30;
  const reach = eye.viewRadiusDeg() * 1.05;
  const [south, north] = [Math.max(-89.99, eye.lat - reach), Math.min(89.99, eye.lat + reach)];
  const widest = Math.min(180, reach / Math.max(0.02, Math.cos(Math.max(Math.abs(south), Math.abs(north)) * RAD)));
  const lines = [];
  const fine = step / 4;
  for (let lat = Math.ceil(south / step) * step; lat <= north; lat += step) {
    lines.push(range(eye.lon - widest, eye.lon + widest, Math.max(fine, widest / 60)).map((lon) => [wrap(lon), lat]));
  }
  for (let lon = Math.ceil((eye.lon - widest) / step) * step; lon <= eye.lon + widest; lon += step) {
    lines.push(range(south, north, Math.max(fine, reach / 40)).map((lat) => [wrap(lon), lat]));
  }
  return { type: "MultiLineString", coordinates: lines };
}

function range(from, to, step) {
  const values = [];
  for (let value = from; value < to; value += step) values.push(value);
  values.push(to);
  return values;
}

const TWILIGHTS = [[89.2, 0.16], [84, 0.12], [78, 0.1], [72, 0.1]]; // degrees from the midnight point, darkness
const FEW = [[89.2, 0.2], [78, 0.24]];

/** Night, and the three twilights as steps towards it. */
function drawNight(context, path, time, moving) {
  const [lat, lon] = subsolar(time);
  const circle = geoCircle().center([wrap(lon + 180), -lat]).precision(3);
  context.fillStyle = colour("night");
  const share = isLight() ? 0.4 : 1;
  for (const [radius, alpha] of moving ? FEW : TWILIGHTS) {
    context.globalAlpha = alpha * share;
    context.beginPath();
    path(circle.radius(radius)());
    context.fill();
  }
  context.globalAlpha = 1;
}
