/** Would an ad blocker's list block an address? Reads the rules of `blocked.txt`. */
import { readFileSync } from "node:fs";

const rules = readFileSync(new URL("../../test/lib/blocked.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line && !line.startsWith("#"));

function pattern(rule: string): RegExp {
  const text = rule
    .replace(/[.+?${}()[\]\\/]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("^", "(?:[^\\w.%-]|$)")
    .replace(/^\|\|/, "^https?:\\/\\/(?:[^/]+\\.)?")
    .replace(/^\|/, "^")
    .replace(/\|$/, "$");
  return new RegExp(text, "i");
}

const patterns = rules.map((rule) => ({ rule, matches: pattern(rule) }));

/** The rules that block an address. */
export const blockedBy = (address: string): string[] =>
  patterns.filter(({ matches }) => matches.test(address)).map(({ rule }) => rule);
