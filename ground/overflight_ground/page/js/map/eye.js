/** Where the map is looked at from: globe (orthographic) or flat (equirectangular), centre and scale. */

import { geoEquirectangular, geoOrthographic } from "../../vendor/d3-geo.js";
import { EARTH_M, RAD, wrap } from "./sphere.js";

const FINEST_M_PER_PX = 5; // a scale bar of 1 km is 200 pixels long
export const PACIFIC = 180;

export class Eye {
  constructor() {
    Object.assign(this, { kind: "globe", lat: 35, lon: -160, zoom: 1, width: 800, height: 600 });
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
  }

  /** Scale at zoom 1: the whole globe, or the whole world's width, fits. */
  get fit() {
    if (this.kind === "globe") return Math.max(60, Math.min(this.width, this.height) * 0.465);
    return Math.max(30, Math.min(this.width / (2 * Math.PI), this.height / Math.PI) * 0.985);
  }

  /** Pixels a radian at the centre. */
  get k() {
    return this.fit * this.zoom;
  }

  get metresPerPixel() {
    return EARTH_M / this.k;
  }

  setZoom(zoom) {
    this.zoom = Math.min(EARTH_M / FINEST_M_PER_PX / this.fit, Math.max(0.7, zoom));
  }

  look(lat, lon) {
    this.lat = Math.max(-90, Math.min(90, lat));
    this.lon = wrap(lon);
  }

  /**
   * A d3 projection for polygons; the fast path for tracks is `aim`. A `rough` one leaves edges
   * straight between their ends, which only very long ones show.
   */
  projection({ rough = false } = {}) {
    const [x, y] = [this.width / 2, this.height / 2];
    const margin = 40;
    const whole = this.kind === "globe" && this.k < Math.min(x, y) + margin; // then there is nothing to cut off
    const made = this.kind === "globe"
      ? geoOrthographic().translate([x, y]).rotate([-this.lon, -this.lat]).clipAngle(Math.min(90, this.viewRadiusDeg()))
      : geoEquirectangular().translate([x, y + this.k * this.lat * RAD]).rotate([-this.lon, 0]);
    return made.scale(this.k).precision(rough ? 0 : 0.6).clipExtent(whole ? null : [[-margin, -margin], [this.width + margin, this.height + margin]]);
  }

  /** Degrees from the centre to the farthest corner in view, with a margin. */
  viewRadiusDeg() {
    const corner = Math.hypot(this.width, this.height) / 2 + 80;
    if (this.kind !== "globe") return Math.min(180, (corner / this.k / RAD) * 1.2 + 1);
    return corner >= this.k ? 90 : Math.asin(corner / this.k) / RAD;
  }

  /** The rotation of this frame, as numbers for unit vectors. */
  aim() {
    const { sin, cos } = Math;
    const [a, b] = [this.lon * RAD, this.lat * RAD];
    return {
      rx: -sin(a), ry: cos(a),
      ux: -sin(b) * cos(a), uy: -sin(b) * sin(a), uz: cos(b),
      tx: cos(b) * cos(a), ty: cos(b) * sin(a), tz: sin(b),
      k: this.k, cx: this.width / 2, cy: this.height / 2, lon: a, lat: b,
    };
  }

  /** Screen position of a place, or null where it is behind the globe. */
  place(lat, lon) {
    if (this.kind === "flat") {
      return [this.width / 2 + this.k * wrap(lon - this.lon) * RAD, this.height / 2 - this.k * (lat - this.lat) * RAD];
    }
    const a = this.aim();
    const cos = Math.cos(lat * RAD);
    const [x, y, z] = [cos * Math.cos(lon * RAD), cos * Math.sin(lon * RAD), Math.sin(lat * RAD)];
    if (a.tx * x + a.ty * y + a.tz * z < 0) return null;
    return [a.cx + a.k * (a.rx * x + a.ry * y), a.cy - a.k * (a.ux * x + a.uy * y + a.uz * z)];
  }

  /** The place at a screen position as [lat, lon], or null beside the world. */
  invert(px, py) {
    const x = (px - this.width / 2) / this.k;
    const y = (this.height / 2 - py) / this.k;
    if (this.kind === "flat") {
      const lat = this.lat + y / RAD;
      return Math.abs(lat) > 90 || Math.abs(x) > Math.PI ? null : [lat, wrap(this.lon + x / RAD)];
    }
    const r = x * x + y * y;
    if (r > 1) return null;
    const z = Math.sqrt(1 - r);
    const a = this.aim();
    const v = [a.rx * x + a.ux * y + a.tx * z, a.ry * x + a.uy * y + a.ty * z, a.uz * y + a.tz * z];
    return [Math.asin(Math.max(-1, Math.min(1, v[2]))) / RAD, Math.atan2(v[1], v[0]) / RAD];
  }

  /** Move so that the place under (x0, y0) comes under (x1, y1); north stays up. */
  drag(x0, y0, x1, y1) {
    const grip = 1 / this.k / RAD;
    const cos = this.kind === "globe" ? Math.max(0.2, Math.cos(this.lat * RAD)) : 1;
    this.look(this.lat + (y1 - y0) * grip, this.lon - ((x1 - x0) * grip) / cos);
  }

  /** Zoom by `factor`, keeping the place under (x, y) where it is as far as that goes. */
  zoomAt(factor, x, y) {
    const before = this.invert(x, y);
    this.setZoom(this.zoom * factor);
    const after = this.invert(x, y);
    if (before && after) this.look(this.lat + before[0] - after[0], this.lon + wrap(before[1] - after[1]));
  }
}
