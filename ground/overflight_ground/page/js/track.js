/**
 * One payload's track: columns that grow, unit vectors computed once, and levels of detail for drawing.
 *
 * Each level keeps the number of a point once it is `LEVELS[i]` radians from the last one kept, so what
 * a level leaves out is never farther than that from what it draws.
 */

export const LEVELS = [0, 2e-5, 8e-5, 3.2e-4, 1.28e-3, 2.56e-3, 5.12e-3];
const COPIED = 3; // from this level on, coordinates are kept once more: side by side they are read four times as quick
export const CHUNK = 256; // points that share one cap, for leaving out what is not in view
const MOST_POINTS = 160_000;
const NEWEST = 8; // the newest one in so many points is left as it is by `thin`
const RAD = Math.PI / 180;

/** A typed array that grows by a quarter when it is full. */
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
      const larger = new this.type(Math.ceil(this.data.length / this.width / 4) * 5 * this.width);
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
    this.xyz = new Column(Float32Array, 3);
    this.levels = LEVELS.map((_, level) => ({
      rows: level ? new Column(Int32Array) : null, // the finest has them all
      xyz: level < COPIED ? null : new Column(Float32Array, 3),
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
    this.thin();
    this.version += 1;
  }

  has(time) {
    const index = this.indexAt(time);
    return index >= 0 && this.time.data[index] === time;
  }

  push([time, lat, lon, alt, speed, climb]) {
    const cos = Math.cos(lat * RAD);
    this.pushRow(time, alt ?? NaN, speed ?? NaN, climb ?? NaN, cos * Math.cos(lon * RAD), cos * Math.sin(lon * RAD), Math.sin(lat * RAD));
  }

  pushRow(time, alt, speed, climb, x, y, z) {
    const row = this.length++;
    this.time.add(time);
    this.alt.add(alt);
    this.speed.add(speed);
    this.climb.add(climb);
    this.xyz.add(x, y, z);
    const { data } = this.xyz;
    for (let level = 0; level < LEVELS.length; level += 1) {
      const { rows, caps, xyz } = this.levels[level];
      if (rows?.length) {
        const last = rows.data[rows.length - 1] * 3;
        if (Math.hypot(data[last] - x, data[last + 1] - y, data[last + 2] - z) < LEVELS[level]) break; // nor would a coarser level keep it
      }
      rows?.add(row);
      xyz?.add(x, y, z);
      const count = rows?.length ?? this.length;
      if (count > 1 && (count - 1) % CHUNK === 0) addCap(caps, data, rows?.data, count);
    }
  }

  /** A level of detail: its n-th point is row `rows[n]`, and lies at `data[3 * places[n]]`; null counts 0, 1, 2, … */
  level(number) {
    const { rows, xyz } = this.levels[number];
    return { rows: rows?.data ?? null, length: rows?.length ?? this.length, data: (xyz ?? this.xyz).data, places: xyz ? null : (rows?.data ?? null) };
  }

  /** Put late points in their place: the live end does not move. */
  merge(late) {
    const all = [...this.points(), ...late].sort((a, b) => a[0] - b[0]);
    this.clear();
    for (const point of all) if (point[0] > this.lastTime) this.push(point);
  }

  /**
   * Leave points out until about half of `most` are left, evenly in time, and the newest as they
   * are: memory stays bounded for ever. What is left out can be asked for again.
   */
  thin(most = MOST_POINTS) {
    if (this.length <= most) return;
    const { time, alt, speed, climb, xyz, length } = this;
    const step = (this.lastTime - this.firstTime) / (most / 2);
    const newest = length - Math.floor(most / NEWEST);
    let kept = -Infinity;
    this.clear();
    for (let i = 0; i < length; i += 1) {
      if (i < newest && time.data[i] - kept < step) continue;
      kept = time.data[i];
      this.pushRow(kept, alt.data[i], speed.data[i], climb.data[i], xyz.data[i * 3], xyz.data[i * 3 + 1], xyz.data[i * 3 + 2]);
    }
    Object.assign(this, { complete: false, asked: 0 });
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
    const { data } = this.xyz;
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
function addCap(caps, data, rows, count) {
  const at = (i) => (rows ? rows[i] : i) * 3;
  const from = count - 1 - CHUNK;
  const middle = at(from + (CHUNK >> 1));
  const [x, y, z] = [data[middle], data[middle + 1], data[middle + 2]];
  let farthest = 0;
  for (let i = from; i < count; i += 1) farthest = Math.max(farthest, Math.hypot(data[at(i)] - x, data[at(i) + 1] - y, data[at(i) + 2] - z));
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
