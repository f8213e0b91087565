/** The lists of `schema/lists`, read as a collector reads them: one entry a line, `#` begins a comment. */
import { readFileSync } from "node:fs";

const LISTS = new URL("../../../schema/lists/", import.meta.url);
const list = (name: string) =>
  readFileSync(new URL(name, LISTS), "utf8")
    .split("\n")
    .filter((line) => line && !line.startsWith("#"));

export const fontNames = list("fonts.txt");
/** Name and weight. */
export const detectors = list("detectors.txt").map((line) => line.split(/\s+/).slice(0, 2));
