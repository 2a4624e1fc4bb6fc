/**
 * One payload's track: columns that grow, unit vectors computed once, and coarser copies for drawing.
 *
 * Each level of detail keeps a point once it is `LEVELS[i]` radians from the last one kept, so what
 * a level leaves out is never farther than that from what it draws.
 */

export const LEVELS = [0, 2e-5, 8e-5, 3.2e-4, 1.28e-3, 2.56e-3, 5.12e-3];
export const CHUNK = 256; // points that share one cap, for leaving out what is not in view
const MOST_POINTS = 160_000;
const RAD = Math.PI / 180;

/** A typed array that doubles when it is full. */
class Column {
  constructor(type, width = 1) {
    this.type = type;
    this.width = width;
    this.data = new type(64 * width);
    this.length = 0; // in rows
  }

  /** Add one row of `width` values. */
  add(a, b, c, d) {
    const at = this.length++ * this.width;
    if (at + this.width > this.data.length) {
      const larger = new this.type(this.data.length * 2);
      larger.set(this.data);
      this.data = larger;
    }
    const { data, width } = this;
    data[at] = a;
    if (width > 1) data[at + 1] = b;
    if (width > 2) data[at + 2] = c;
    if (width > 3) data[at + 3] = d;
  }
}

export class Track {
  constructor(payload, flight) {
    this.payload = payload;
    this.flight = flight;
    this.loaded = false; // at least an overview of what is stored
    this.asked = 0; // so many points of it
    this.complete = false; // every point that is stored
    this.version = 0;
    this.clear();
  }

  clear() {
    this.length = 0;
    this.time = new Column(Float64Array);
    this.alt = new Column(Float32Array);
    this.speed = new Column(Float32Array);
    this.climb = new Column(Float32Array);
    this.levels = LEVELS.map(() => ({
      xyz: new Column(Float32Array, 3),
      index: new Column(Int32Array),
      caps: new Column(Float32Array, 4),
    }));
    this.version += 1;
  }

  get lastTime() {
    return this.length ? this.time.data[this.length - 1] : -Infinity;
  }

  get firstTime() {
    return this.length ? this.time.data[0] : Infinity;
  }

  /**
   * Take points as [time_ms, lat_deg, lon_deg, alt_m, speed_mps, climb_mps], in any order.
   * Points without a position are left out; a time that is there already is left alone.
   */
  add(points) {
    let late = [];
    for (const point of points) {
      if (point[1] === null || point[2] === null || point[1] === undefined) continue;
      if (point[0] > this.lastTime) this.push(point);
      else late.push(point);
    }
    late = late.filter((point) => !this.has(point[0]));
    if (late.length) this.merge(late);
    if (this.length > MOST_POINTS) this.thin();
    this.version += 1;
  }

  has(time) {
    const index = this.indexAt(time);
    return index >= 0 && this.time.data[index] === time;
  }

  push([time, lat, lon, alt, speed, climb]) {
    const index = this.length++;
    this.time.add(time);
    this.alt.add(alt ?? NaN);
    this.speed.add(speed ?? NaN);
    this.climb.add(climb ?? NaN);
    const cos = Math.cos(lat * RAD);
    this.pushVector(index, cos * Math.cos(lon * RAD), cos * Math.sin(lon * RAD), Math.sin(lat * RAD));
  }

  pushVector(index, x, y, z) {
    for (let level = 0; level < LEVELS.length; level += 1) {
      const { xyz, index: kept, caps } = this.levels[level];
      const n = xyz.length * 3;
      if (level && n) {
        const d = Math.hypot(xyz.data[n - 3] - x, xyz.data[n - 2] - y, xyz.data[n - 1] - z);
        if (d < LEVELS[level]) break; // nor would a coarser level keep it
      }
      xyz.add(x, y, z);
      kept.add(index);
      if (xyz.length > 1 && (xyz.length - 1) % CHUNK === 0) addCap(caps, xyz);
    }
  }

  /** Put late points in their place: the live end does not move. */
  merge(late) {
    const all = [...this.points(), ...late].sort((a, b) => a[0] - b[0]);
    this.clear();
    for (const point of all) if (point[0] > this.lastTime) this.push(point);
  }

  /** Leave out every other point of the older half, so that memory stays bounded for ever. */
  thin() {
    const all = [...this.points()];
    const half = all.length >> 1;
    this.clear();
    all.forEach((point, index) => (index >= half || index % 2 === 0) && this.push(point));
  }

  *points() {
    for (let i = 0; i < this.length; i += 1) yield this.pointAt(i);
  }

  /** [time_ms, lat_deg, lon_deg, alt_m, speed_mps, climb_mps] of row `i`. */
  pointAt(i) {
    const [lat, lon] = this.latLon(i);
    return [this.time.data[i], lat, lon, this.alt.data[i], this.speed.data[i], this.climb.data[i]];
  }

  latLon(i) {
    const { data } = this.levels[0].xyz;
    const [x, y, z] = [data[i * 3], data[i * 3 + 1], data[i * 3 + 2]];
    return [Math.atan2(z, Math.hypot(x, y)) / RAD, Math.atan2(y, x) / RAD];
  }

  /** The last row at or before `time`, or −1. */
  indexAt(time) {
    return lastAtOrBefore(this.time.data, this.length, time);
  }

  /** Where it was at `time`, as in `pointAt`; null before its first point. */
  at(time) {
    const index = this.indexAt(time);
    return index < 0 ? null : this.pointAt(index);
  }

  /** Set the motion of the newest point, which arrives as a message of its own. */
  setMotion(time, speed, climb) {
    const index = this.indexAt(time);
    if (index < 0 || time - this.time.data[index] > 60_000) return;
    this.speed.data[index] = speed ?? NaN;
    this.climb.data[index] = climb ?? NaN;
    this.version += 1;
  }
}

/** Close a run of points: its middle and how far the farthest is (the next run's first included). */
function addCap(caps, { data, length }) {
  const from = (length - 1 - CHUNK) * 3;
  const middle = from + (CHUNK >> 1) * 3;
  const [x, y, z] = [data[middle], data[middle + 1], data[middle + 2]];
  let farthest = 0;
  for (let i = from; i < length * 3; i += 3) farthest = Math.max(farthest, Math.hypot(data[i] - x, data[i + 1] - y, data[i + 2] - z));
  caps.add(x, y, z, farthest);
}

/** Index of the last of `length` sorted values that is ≤ `value`, or −1. */
export function lastAtOrBefore(values, length, value) {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
