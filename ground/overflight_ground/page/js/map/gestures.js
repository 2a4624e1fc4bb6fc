/** Hands on the map: drag, wheel, pinch, double click, click on a payload, pointer as cursor. */

import { model, select, selectedTrack, setCursor, view } from "../model.js";
import { on, touch } from "../signals.js";
import { cutTime } from "../when.js";
import { markAt } from "./marks.js";
import { measureClick, measureMove, startMeasure } from "./measure.js";

const CLICK_PX = 4;
const NEAR_PX = 14;

/** Attach to `stage`; `moved({ zoomOnly })` is called after each change of the view. */
export function gestures(stage, eye, { moved }) {
  const pointers = new Map();
  let travelled = 0;
  let spread = 0;

  const spot = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, spot(event));
    travelled = 0;
    spread = gap(pointers);
  });

  stage.addEventListener("pointermove", (event) => {
    const at = spot(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      hover(eye, at, stage);
      return;
    }
    pointers.set(event.pointerId, at);
    travelled += Math.hypot(at[0] - before[0], at[1] - before[1]);
    if (pointers.size === 2) {
      const now = gap(pointers);
      if (spread) eye.zoomAt(now / spread, ...middle(pointers));
      spread = now;
      moved({ zoomOnly: true });
    } else if (travelled > CLICK_PX) {
      eye.drag(...before, ...at);
      moved();
    }
  });

  const up = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && travelled <= CLICK_PX) click(eye, spot(event));
    spread = 0;
  };
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
  stage.addEventListener("pointerleave", () => setCursor(null));
  stage.addEventListener("dblclick", (event) => {
    eye.zoomAt(2, ...spot(event));
    moved({ zoomOnly: view.follow });
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const step = Math.max(-100, Math.min(100, event.deltaY)) * (event.deltaMode ? 20 : 1);
    if (view.follow) eye.setZoom(eye.zoom * Math.exp(-step / 300));
    else eye.zoomAt(Math.exp(-step / 300), ...spot(event));
    moved({ zoomOnly: true });
  }, { passive: false });
  on("start-measure", () => startMeasure());
}

function gap(pointers) {
  if (pointers.size !== 2) return 0;
  const [[x1, y1], [x2, y2]] = pointers.values();
  return Math.hypot(x1 - x2, y1 - y2);
}

function middle(pointers) {
  const [[x1, y1], [x2, y2]] = pointers.values();
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}

function click(eye, [x, y]) {
  const place = eye.invert(x, y);
  if (view.measure) {
    if (place) measureClick(place);
    return;
  }
  const mark = markAt(x, y);
  if (mark?.payload) select(mark.payload);
  else if (mark?.picture) {
    view.tab = "pictures";
    view.picture = mark.picture;
    touch("tab link");
  }
}

/** The nearest point of the chosen track becomes the cursor of map and charts. */
function hover(eye, [x, y], stage) {
  if (view.measure) {
    const place = eye.invert(x, y);
    if (place) measureMove(place);
    return;
  }
  stage.classList.toggle("over", Boolean(markAt(x, y)));
  setCursor(nearestTime(eye, x, y));
}

function nearestTime(eye, x, y) {
  const track = selectedTrack();
  if (!track?.length || !model.payloads.size) return null;
  const a = eye.aim();
  const { data } = track.xyz;
  const end = track.indexAt(cutTime());
  let best = NEAR_PX * NEAR_PX;
  let found = -1;
  const flat = eye.kind === "flat";
  for (let i = 0; i <= end; i += 1) {
    const [vx, vy, vz] = [data[i * 3], data[i * 3 + 1], data[i * 3 + 2]];
    if (!flat && a.tx * vx + a.ty * vy + a.tz * vz < 0) continue;
    let sx;
    let sy;
    if (flat) {
      let east = Math.atan2(vy, vx) - a.lon;
      if (east > Math.PI) east -= 2 * Math.PI;
      else if (east < -Math.PI) east += 2 * Math.PI;
      [sx, sy] = [a.cx + a.k * east, a.cy - a.k * (Math.asin(vz) - a.lat)];
    } else [sx, sy] = [a.cx + a.k * (a.rx * vx + a.ry * vy), a.cy - a.k * (a.ux * vx + a.uy * vy + a.uz * vz)];
    const d = (sx - x) ** 2 + (sy - y) ** 2;
    if (d <= best) [best, found] = [d, i];
  }
  return found < 0 ? null : track.time.data[found];
}
