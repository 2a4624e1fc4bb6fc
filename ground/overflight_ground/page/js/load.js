/** One way to ask the ground for something that a panel shows. */

import { get, Superseded, Trouble } from "./api.js";
import { trouble } from "./model.js";

/** Ask for `path`; put the answer to use, or say in `panel` what is wrong. */
export async function load(panel, path, parameters, use) {
  try {
    use(await get(path, parameters));
    trouble(panel, null);
    return true;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (!(error instanceof Superseded)) trouble(panel, error.message);
    return false;
  }
}
