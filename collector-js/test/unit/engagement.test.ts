import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { createClock, type EngagementClock } from "../../src/engagement.js";

let now = 0;
let beats: number[] = [];
let clock: EngagementClock;

beforeEach(() => {
  now = 0;
  beats = [];
  mock.timers.enable({ apis: ["setTimeout"] });
  clock = createClock(
    () => now,
    () => beats.push(clock._read()),
  );
});
afterEach(() => mock.timers.reset());

/** Time passes and timers fire on time. */
const pass = (ms: number) => {
  for (let left = ms; left > 0; left -= 100) {
    now += 100;
    mock.timers.tick(100);
  }
};

test("only engaged time counts, and it adds up", () => {
  pass(5_000);
  clock._set(true);
  pass(2_000);
  clock._set(false);
  pass(60_000);
  clock._set(true);
  pass(1_000);
  assert.equal(clock._read(), 3_000);
});

test("saying the same twice changes nothing", () => {
  clock._set(true);
  pass(1_000);
  clock._set(true);
  pass(1_000);
  assert.equal(clock._read(), 2_000);
});

test("a new view begins at zero and stays engaged", () => {
  clock._set(true);
  pass(4_000);
  clock._restart();
  assert.equal(clock._read(), 0);
  pass(1_000);
  assert.equal(clock._read(), 1_000);
});

test("beats come at 10, 30, 90 and 270 seconds of engaged time, then every five minutes", () => {
  clock._set(true);
  pass(5_000);
  clock._set(false);
  pass(100_000);
  clock._set(true);
  pass(895_000);
  assert.deepEqual(beats, [10_000, 30_000, 90_000, 270_000, 570_000, 870_000]);
});

test("no beat while nobody looks", () => {
  clock._set(true);
  clock._set(false);
  pass(600_000);
  assert.deepEqual(beats, []);
});

test("a night's sleep of the device is not reading time", () => {
  clock._set(true);
  pass(301_000);
  now += 8 * 3_600_000;
  assert.ok(clock._read() <= 301_000 + 330_000, `${clock._read()}`);
});
