/** Is a port judged by how its connection ended beside those of ports that nobody uses, and is input kept in amounts only? */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DETECTOR_NAMES } from "../../src/protect/detectors.js";
import { engine } from "../../src/protect/engine.js";
import { amount } from "../../src/protect/input.js";
import { type End, judge, SERVICES } from "../../src/protect/remote.js";
import { DETECTOR_NAMES as SHARED } from "../../src/signals/automation.js";

const REFUSED: End[] = [2, 3];
const PENDING: End[] = [undefined, undefined];
for (const [what, ends, controls, judged] of [
  ["refused like the others", [2], REFUSED, "closed"],
  ["refused on a busy page, not much later", [420], REFUSED, "closed"],
  ["answered", ["answered"], REFUSED, "open"],
  ["held open without an answer", [undefined], REFUSED, "open"],
  ["one of several held open", [3, undefined, 2, 2], REFUSED, "open"],
  ["failed late, which may be either", [700], REFUSED, "timeout"],
  ["on Windows, where refusing takes longer than the time: like the others", [undefined], PENDING, "closed"],
  ["on Windows, hung up before the others are refused", [12], PENDING, "open"],
  ["on Windows, answered", ["answered"], PENDING, "open"],
  ["an unused port was held open too, the other refused", [undefined], [undefined, 2], "timeout"],
  ["an unused port answered", [2], ["answered", 2], "timeout"],
  ["everything fails late", [900], [900, 900], "timeout"],
] as [string, End[], End[], string][]) {
  test(`a port: ${what}`, () => assert.equal(judge(ends, controls), judged));
}

test("a count is one of four words", () => {
  assert.deepEqual([0, 1, 9, 10, 99, 100, 1e9].map(amount), [
    "none",
    "few",
    "few",
    "some",
    "some",
    "many",
    "many",
  ]);
});

test("this engine is known by its words", () => assert.equal(engine(), "blink"));

test("the collector's rules know each detector and each service, and the names fit a call", () => {
  const rules = readFileSync(new URL("../../../schema/lists/verdict.toml", import.meta.url), "utf8");
  const known = (section: string) => {
    const [, text = ""] =
      new RegExp(`^\\[${section}\\]\\n([\\s\\S]*?)(?:^\\[|$(?![\\s\\S]))`, "m").exec(rules) ?? [];
    return [...text.matchAll(/^(\w+) = /gm)].map(([, name]) => name);
  };
  const names = [...SHARED, ...DETECTOR_NAMES];
  assert.deepEqual([...names].sort(), known("detector").sort());
  assert.deepEqual(
    Object.keys(SERVICES).filter((name) => !known("port").includes(name)),
    [],
  );
  assert.ok(names.length <= 40 && Object.keys(SERVICES).length <= 16);
  for (const name of [...names, ...Object.keys(SERVICES)]) assert.match(name, /^[a-z0-9_]{1,32}$/);
});
