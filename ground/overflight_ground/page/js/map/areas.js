/** GeoJSON as d3 wants it: RFC 7946 winds an outline against the clock, d3 with it. */

import { geoArea } from "../../vendor/d3-geo.js";

/** The feature with its outlines wound so that an area is the smaller side of its line. */
export function wound(feature) {
  const { geometry } = feature;
  if (geometry?.type === "Polygon") return { ...feature, geometry: { ...geometry, coordinates: turned(geometry.coordinates) } };
  if (geometry?.type === "MultiPolygon") return { ...feature, geometry: { ...geometry, coordinates: geometry.coordinates.map(turned) } };
  return feature;
}

function turned(rings) {
  const larger = geoArea({ type: "Polygon", coordinates: [rings[0]] }) > 2 * Math.PI;
  const outline = larger ? rings[0].toReversed() : rings[0];
  const holes = rings.slice(1).map((ring) => (geoArea({ type: "Polygon", coordinates: [ring] }) > 2 * Math.PI ? ring : ring.toReversed()));
  return [outline, ...holes];
}
