/** Small sums on the sphere; angles in degrees, distances in metres (mean radius, IUGG). */

export const EARTH_M = 6_371_008.8;
export const RAD = Math.PI / 180;

export function vector(lat, lon) {
  const cos = Math.cos(lat * RAD);
  return [cos * Math.cos(lon * RAD), cos * Math.sin(lon * RAD), Math.sin(lat * RAD)];
}

/** Degrees of longitude in [−180, 180). */
export const wrap = (lon) => ((((lon + 180) % 360) + 360) % 360) - 180;

/** Great-circle distance between [lat, lon] and [lat, lon]. */
export function distanceM([lat1, lon1], [lat2, lon2]) {
  const a = Math.sin(((lat2 - lat1) * RAD) / 2) ** 2 + Math.cos(lat1 * RAD) * Math.cos(lat2 * RAD) * Math.sin(((lon2 - lon1) * RAD) / 2) ** 2;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(a)));
}

/** Bearing at the first point towards the second, 0 to 360. */
export function bearingDeg([lat1, lon1], [lat2, lon2]) {
  const d = (lon2 - lon1) * RAD;
  const y = Math.sin(d) * Math.cos(lat2 * RAD);
  const x = Math.cos(lat1 * RAD) * Math.sin(lat2 * RAD) - Math.sin(lat1 * RAD) * Math.cos(lat2 * RAD) * Math.cos(d);
  return (Math.atan2(y, x) / RAD + 360) % 360;
}

/** The point `metres` from [lat, lon] towards `bearing`. */
export function destination([lat, lon], bearing, metres) {
  const d = metres / EARTH_M;
  const sin = Math.sin(lat * RAD) * Math.cos(d) + Math.cos(lat * RAD) * Math.sin(d) * Math.cos(bearing * RAD);
  const y = Math.sin(bearing * RAD) * Math.sin(d) * Math.cos(lat * RAD);
  const x = Math.cos(d) - Math.sin(lat * RAD) * sin;
  return [Math.asin(sin) / RAD, wrap(lon + Math.atan2(y, x) / RAD)];
}

/** Where the sun stands overhead at `ms`: [lat, lon], to about 0.01° (Astronomical Almanac, low precision). */
export function subsolar(ms) {
  const n = ms / 86400e3 - 10957.5;
  const mean = (280.46 + 0.9856474 * n) % 360;
  const anomaly = ((357.528 + 0.9856003 * n) % 360) * RAD;
  const ecliptic = (mean + 1.915 * Math.sin(anomaly) + 0.02 * Math.sin(2 * anomaly)) * RAD;
  const tilt = (23.439 - 4e-7 * n) * RAD;
  const ascension = Math.atan2(Math.cos(tilt) * Math.sin(ecliptic), Math.cos(ecliptic)) / RAD;
  const lat = Math.asin(Math.sin(tilt) * Math.sin(ecliptic)) / RAD;
  const sidereal = (18.697374558 + 24.06570982441908 * n) * 15;
  return [lat, wrap(ascension - sidereal)];
}
