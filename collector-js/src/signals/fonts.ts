/**
 * Item 14: which fonts of a fixed list are there. A text is measured with the font before each of two generic fonts.
 * If the width differs from the generic font's, the font is there. The canvas is not part of the page, so nothing is
 * laid out.
 *
 * Fonts that the page itself loads are left out: measuring one would download it, and it does not describe the device.
 */
import list from "../../../schema/lists/fonts.txt";
import { idle } from "../lib/idle.js";

/**
 * Wide, narrow and round letters, digits and a ligature, so that two fonts hardly ever give the same width. All are Latin:
 * for other letters the browser would look for a fallback, which takes some milliseconds and says nothing of the font.
 */
const TEXT = "mWil1 Qg@fi7&R";
const GENERIC = ["monospace", "serif"];
/**
 * So many are measured together, in one font list: mostly none of them is there, and the text then has the width of the
 * generic font. Looking up a font may take a millisecond, so the page's own tasks run between two such groups.
 */
const AT_ONCE = 6;
/** Before the second generic font the browser knows already which fonts are not there. */
const AGAIN_AT_ONCE = 24;

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
  const isThere = (names: string[], at: number) =>
    width(`${names.map((name) => `"${name}",`).join("")}${GENERIC[at]}`) !== base[at];
  const find = async (names: string[], at: number, atOnce: number) => {
    const found: string[] = [];
    for (let from = 0; from < names.length; from += atOnce) {
      await idle();
      const group = names.slice(from, from + atOnce);
      if (isThere(group, at)) found.push(...group.filter((name) => isThere([name], at)));
    }
    return found;
  };
  const names = list.split("\n").filter((name) => !brought.has(name));
  const present = await find(names, 0, AT_ONCE);
  const others = names.filter((name) => !present.includes(name));
  present.push(...(await find(others, 1, AGAIN_AT_ONCE)));
  return names.filter((name) => present.includes(name));
}
