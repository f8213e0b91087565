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
/**
 * So many are measured together, in one font list: mostly none of them is there, and the text then has the width of the
 * generic font. Looking up a font may take a millisecond, so the page's own tasks run between two such groups.
 */
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
  const isThere = (names: string[]) =>
    GENERIC.some((other, at) => width(`${names.map((name) => `"${name}",`).join("")}${other}`) !== base[at]);
  const names = list.split("\n").filter((name) => !brought.has(name));
  const present: string[] = [];
  for (let at = 0; at < names.length; at += AT_ONCE) {
    await idle();
    const group = names.slice(at, at + AT_ONCE);
    if (isThere(group)) present.push(...group.filter((name) => isThere([name])));
  }
  return present;
}
