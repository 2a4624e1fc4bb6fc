/** The scale bar: a round distance between 70 and 200 pixels long. */

import { settings } from "../settings.js";

const NM = 1852;

/** [pixels, text] for a map with `metresPerPixel` at its centre. */
export function scaleBar(metresPerPixel) {
  const unit = settings.units === "aviation" ? NM : 1000;
  const longest = (190 * metresPerPixel) / unit;
  const power = 10 ** Math.floor(Math.log10(longest));
  const value = [5, 2, 1].map((n) => n * power).find((n) => n <= longest) ?? power;
  const shown = value >= 1 ? `${value.toLocaleString("en")} ${unit === NM ? "NM" : "km"}` : unit === NM ? `${value} NM` : `${Math.round(value * 1000)} m`;
  return [Math.round((value * unit) / metresPerPixel), shown];
}
