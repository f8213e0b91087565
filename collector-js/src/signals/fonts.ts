/**
 * Item 14: which fonts of a fixed list are there. A text is measured with the font before each of two generic fonts.
 * If the width differs from the generic font's, the font is there. The canvas is not part of the page, so nothing is
 * laid out.
 *
 * Fonts that the page itself loads are left out: measuring one would download it, and it does not describe the device.
 */
import list from "../../../schema/lists/fonts.txt";
import { idle } from "../lib/idle.js";

/** Wide, narrow and round letters, digits and a ligature, so that two fonts hardly ever give the same width. */
const TEXT = "mWil1 Qg@fiЖә7";
const GENERIC = ["monospace", "serif"];
/** Looking up a font may take a millisecond. After this many, the page's own tasks run. */
const AT_ONCE = 6;

export async function fonts(): Promise<string[] | undefined> {
  const on = document.createElement("canvas").getContext("2d");
  if (!on) return undefined;
  const width = (font: string) => {
    on.font = `72px ${font}`;
    return on.measureText(TEXT).width;
  };
  const base = GENERIC.map(width);
  const brought = new Set<string>();
  document.fonts?.forEach(({ family }) => {
    brought.add(family.replace(/["']/g, ""));
  });
  const present: string[] = [];
  for (const [index, name] of list.split("\n").entries()) {
    if (index % AT_ONCE === 0) await idle();
    if (!brought.has(name) && GENERIC.some((other, at) => width(`"${name}",${other}`) !== base[at])) {
      present.push(name);
    }
  }
  return present;
}
