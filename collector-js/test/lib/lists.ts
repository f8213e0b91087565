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

/** Finds the fonts in another way than the snippet: by a text that the page lays out. Runs in the page. */
export function fontsByLayout(names: string[]): string[] {
  const span = document.createElement("span");
  span.style.fontSize = "72px";
  span.textContent = "mWil1 Qg@fiЖә7";
  document.body.append(span);
  const width = (font: string) => {
    span.style.fontFamily = font;
    return span.getBoundingClientRect().width;
  };
  return names.filter((name) =>
    ["monospace", "serif", "sans-serif"].some((base) => width(`"${name}",${base}`) !== width(base)),
  );
}
