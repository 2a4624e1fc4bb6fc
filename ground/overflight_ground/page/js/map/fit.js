/** The zoom at which a flight fills the map: its track so far, and where it is heading. */

import { selectedTrack, view } from "../model.js";
import { waypointsOf } from "../plan.js";
import { LEVELS } from "../track.js";
import { cutTime } from "../when.js";
import { RAD, vector } from "./sphere.js";

const LEAST_RAD = 0.0012; // about 8 km: nearer than that a map of this scale has nothing to show
const FILL = 0.72;
const COARSE = LEVELS.length - 4;

/** Zoom for an eye that looks at [lat, lon]. */
export function zoomToFit(eye, lat, lon) {
  const track = selectedTrack();
  if (!track?.loaded) return 1; // nothing known yet: the whole globe
  const centre = vector(lat, lon);
  let lowest = 1;
  const see = (x, y, z) => {
    const cos = x * centre[0] + y * centre[1] + z * centre[2];
    if (cos < lowest) lowest = cos;
  };
  for (const point of waypointsOf(view.payload)) see(...vector(point.lat, point.lon));
  if (track.length) {
    const { rows, length, data } = track.level(COARSE);
    const cut = track.indexAt(cutTime());
    for (let i = 0; i < length && rows[i] <= cut; i += 1) see(data[i * 3], data[i * 3 + 1], data[i * 3 + 2]);
  }
  const angle = Math.max(LEAST_RAD, Math.acos(Math.max(-1, lowest)));
  if (angle > 50 * RAD) return 1;
  return Math.max(1, ((Math.min(eye.width, eye.height) / 2) * FILL) / Math.sin(angle) / eye.fit);
}
