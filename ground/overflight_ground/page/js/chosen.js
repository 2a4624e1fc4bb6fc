/** What goes with the chosen payload: sent and kept, the running total, pictures, prediction. */

import { load } from "./load.js";
import { model, view } from "./model.js";
import { touch } from "./signals.js";

const COUNTING_MS = 2000;
let counting = 0;

const ofSelected = () => ({ payload: view.payload, flight: view.flight });

/** As `load`, about the chosen payload; an answer about one that was chosen before is dropped. */
async function loadChosen(panel, path, parameters, use) {
  const { payload, flight } = ofSelected();
  if (!payload) return false;
  return load(panel, path, parameters, (answer) => view.payload === payload && view.flight === flight && use(answer));
}

export const loadSplit = () =>
  loadChosen("split", "split", ofSelected(), (split) => {
    const before = model.split?.kept?.state;
    model.split = split;
    touch("split");
    if (before && before !== split.kept?.state) loadPictures();
  });

/** The running total of the audit, by payload. The ground counts a long store in steps: ask on until it has. */
export const loadSoFar = () =>
  load("split", "audit/live", {}, ({ totals, complete }) => {
    model.soFar = new Map(totals.map((total) => [total.payload, { ...total, complete }]));
    touch("split");
    clearTimeout(counting);
    if (!complete) counting = setTimeout(() => !document.hidden && loadSoFar(), COUNTING_MS);
  });

export const loadPictures = () =>
  loadChosen("pictures", "pictures", ofSelected(), ({ pictures }) => {
    model.pictures = pictures;
    touch("pictures map");
  });

/** Where it will be; where nobody can say yet, why not. */
export const loadPrediction = () =>
  view.layers.has("prediction") &&
  loadChosen("prediction", `prediction/${view.payload}`, { flight: view.flight }, (prediction) => {
    model.predictions.set(view.payload, prediction);
    touch("prediction map layers");
  });
