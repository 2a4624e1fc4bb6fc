/** Space, glow and sea: gradients are slow in software, so they are drawn once for each size. */

import { colour } from "../dom.js";

let kept = null;

/** Draw what lies under the land; from a copy while size, scale and theme stay. */
export function backdrop(context, eye, ratio = devicePixelRatio || 1) {
  if (eye.kind === "flat") {
    flat(context, eye);
    return;
  }
  const theme = document.documentElement.dataset.theme;
  const key = [eye.width, eye.height, Math.round(eye.k), theme, ratio].join();
  if (kept?.key !== key) kept = { key, canvas: draw(eye, ratio) };
  context.drawImage(kept.canvas, 0, 0, eye.width, eye.height);
}

function flat(context, eye) {
  const top = eye.height / 2 - eye.k * ((90 - eye.lat) * (Math.PI / 180));
  const half = Math.PI * eye.k;
  context.fillStyle = colour("sea");
  context.fillRect(eye.width / 2 - half, top, 2 * half, half);
}

function draw(eye, ratio) {
  const canvas = new OffscreenCanvas(Math.max(1, eye.width * ratio), Math.max(1, eye.height * ratio));
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const [x, y, k] = [eye.width / 2, eye.height / 2, eye.k];
  if (k < Math.hypot(eye.width, eye.height)) {
    const glow = context.createRadialGradient(x, y, k * 0.98, x, y, k * 1.09);
    glow.addColorStop(0, `${colour("glow")}99`);
    glow.addColorStop(0.35, `${colour("glow")}3a`);
    glow.addColorStop(1, `${colour("glow")}00`);
    context.fillStyle = glow;
    context.fillRect(0, 0, eye.width, eye.height);
  }
  const sea = context.createRadialGradient(x - k * 0.25, y - k * 0.3, k * 0.1, x, y, k);
  sea.addColorStop(0, colour("sea"));
  sea.addColorStop(1, colour("sea-edge"));
  context.fillStyle = sea;
  context.beginPath();
  context.arc(x, y, k, 0, 2 * Math.PI);
  context.fill();
  return canvas;
}
