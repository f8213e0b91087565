/** Does every signal end as a value or as the reason of its absence, within its time? */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { SIGNALS, settle } from "../../src/device.js";
import { Absent } from "../../src/lib/absent.js";
import { plain } from "../../src/lib/digest.js";
import { DETECTOR_NAMES } from "../../src/signals/automation.js";
import { detectors, fontNames } from "../lib/lists.js";

const named = (name: string) => Object.assign(new Error(), { name });
for (const [what, read, settled] of [
  ["a value is the value", () => 7, 7],
  ["false and nothing in a list are values", () => false, false],
  ["a promise is what it promises", async () => ["a"], ["a"]],
  ["what the browser lacks is unsupported", () => undefined, { absent: "unsupported" }],
  ["a policy's refusal is blocked", () => Promise.reject(named("NotAllowedError")), { absent: "blocked" }],
  [
    "a security error is blocked",
    () => {
      throw named("SecurityError");
    },
    { absent: "blocked" },
  ],
  [
    "a signal's own reason stands",
    () => {
      throw new Absent("blocked");
    },
    { absent: "blocked" },
  ],
  [
    "any other failure is an error",
    () => {
      throw new TypeError("broken");
    },
    { absent: "error" },
  ],
  ["even nonsense that is thrown", () => Promise.reject(null), { absent: "error" }],
] as [string, () => unknown, unknown][]) {
  test(what, async () => assert.deepEqual(await settle(read), settled));
}

test("a signal that never answers is a timeout after two seconds", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const settled = settle(() => new Promise(() => {}));
  mock.timers.tick(1_999);
  let done = false;
  settled.then(() => {
    done = true;
  });
  await new Promise(setImmediate);
  assert.equal(done, false);
  mock.timers.tick(1);
  assert.deepEqual(await settled, { absent: "timeout" });
  mock.timers.reset();
});

test("each item and each name is there once, canvas before WebGL", () => {
  assert.deepEqual(
    SIGNALS.map(([item]) => item).sort(),
    [10, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 25, 26],
  );
  assert.equal(new Set(SIGNALS.map(([, name]) => name)).size, SIGNALS.length);
  const items = SIGNALS.map(([item]) => item);
  assert.ok(items.indexOf(13) < items.indexOf(16));
});

test("the detectors are those of the list, by which a collector judges, and their names fit the wire", () => {
  assert.deepEqual(detectors.map(([name]) => name).sort(), [...DETECTOR_NAMES].sort());
  for (const [name, weight] of detectors) {
    assert.match(name ?? "", /^[a-z0-9_]{1,32}$/);
    assert.match(weight ?? "", /^(strong|weak)$/);
  }
  assert.ok(detectors.length <= 32);
});

test("the list of fonts fits a beacon and names none twice", () => {
  assert.ok(fontNames.length <= 64 && new Set(fontNames).size === fontNames.length);
  for (const name of fontNames) assert.match(name, /^[A-Za-z ]{4,40}$/);
});

test("the hash without SubtleCrypto spreads: no two of many near inputs agree, and each bit turns about half of it", () => {
  const seen = new Set<string>();
  const base = new Uint8Array(1_000);
  const reference = plain(base);
  let turned = 0;
  for (let bit = 0; bit < 8_000; bit++) {
    const near = base.slice();
    near[bit >> 3] = 1 << (bit & 7);
    const hash = plain(near);
    seen.add(String(hash));
    hash.forEach((byte, index) => {
      for (let left = byte ^ (reference[index] as number); left; left &= left - 1) turned++;
    });
  }
  for (let length = 0; length < 1_000; length++) seen.add(String(plain(base.subarray(0, length))));
  assert.equal(seen.size, 9_000);
  const share = turned / (8_000 * 128);
  assert.ok(share > 0.47 && share < 0.53, `${share}`);
});
