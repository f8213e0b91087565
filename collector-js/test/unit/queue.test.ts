import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { Beacon, BeaconEvent } from "../../src/beacon.js";
import { park, unpark } from "../../src/extras/store.js";
import { plain } from "../../src/lib/plain.js";
import {
  createQueue,
  MAX_AGE_MS,
  MAX_BEACONS,
  MAX_EVENTS,
  MAX_OFFLINE_MS,
  type Queue,
  type Sealed,
} from "../../src/queue.js";

let now = 0;
let queue: Queue;
/** The tests run at noon, because a beacon dies at midnight. */
const at = (time: string) => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["Date"], now: new Date(time) });
};
beforeEach(() => {
  now = 0;
  at("2026-11-25T12:00:00");
  queue = createQueue(
    "jetpay.kz",
    () => now,
    () => true,
  );
  queue._begin("first");
});
afterEach(() => mock.timers.reset());

const event = (name = "step"): BeaconEvent => ({ type: "event", at: 1, name });
const beacons = (): Beacon[] => queue._waiting().map(({ body }) => JSON.parse(body));

test("events gather until they are sealed, and seq counts the beacons of a view from 0", () => {
  queue._add(event("a"));
  queue._add(event("b"));
  assert.deepEqual(beacons(), []);
  queue._seal();
  queue._add(event("c"));
  queue._seal();
  queue._seal();
  assert.deepEqual(
    beacons().map(({ view, seq, events }) => [view, seq, events.length]),
    [
      ["first", 0, 2],
      ["first", 1, 1],
    ],
  );
});

test("a new view seals the events of the old one under the old id and starts seq again", () => {
  queue._add(event());
  queue._begin("second");
  queue._add(event());
  queue._seal();
  assert.deepEqual(
    beacons().map(({ view, seq }) => [view, seq]),
    [
      ["first", 0],
      ["second", 0],
    ],
  );
});

test("a later engaged time replaces the unsent earlier one", () => {
  queue._add({ type: "engage", at: 1, engaged_ms: 1 });
  queue._add(event());
  queue._add({ type: "engage", at: 9, engaged_ms: 8 });
  queue._seal();
  assert.deepEqual(beacons()[0]?.events, [event(), { type: "engage", at: 9, engaged_ms: 8 }]);
});

test("a full beacon seals itself", () => {
  for (let i = 0; i <= MAX_EVENTS; i++) queue._add(event());
  assert.equal(beacons()[0]?.events.length, MAX_EVENTS);
  assert.equal(beacons().length, 1);
});

test("the oldest beacon gives way when there are too many, and seq shows the gap", () => {
  for (let i = 0; i < MAX_BEACONS + 3; i++) {
    queue._add(event());
    queue._seal();
  }
  assert.equal(beacons().length, MAX_BEACONS);
  assert.equal(beacons()[0]?.seq, 3);
});

test("each beacon stays below what browsers let leave with a page", () => {
  for (let i = 0; i < MAX_BEACONS * MAX_EVENTS; i++) {
    queue._add({ type: "search", at: 0, query: "ә".repeat(256) });
  }
  for (const { body } of queue._waiting()) assert.ok(Buffer.byteLength(body) < 60_000);
  assert.equal(beacons().at(-1)?.seq, MAX_BEACONS - 1);
});

test("arrays that have a toJSON of an old library are sent as arrays", () => {
  const arrays = Array.prototype as { toJSON?: unknown };
  arrays.toJSON = () => "text";
  queue._add(event());
  queue._seal({ fonts: plain(["Arial"]) });
  delete arrays.toJSON;
  assert.deepEqual(beacons()[0]?.events, [event()]);
  assert.deepEqual(beacons()[0]?.device, { fonts: ["Arial"] });
});

test("a clock that was set ahead, or that is none, costs no beacon", () => {
  for (const wrong of [Date.now() + 366 * 86_400_000, Number.NaN]) {
    mock.method(Date, "now", () => wrong);
    queue._add(event());
    queue._seal();
    assert.equal(beacons().length, 1);
    mock.restoreAll();
    queue._clear();
  }
});

test("a beacon that was on the wire lives for 20 minutes more, one that never was for hours", () => {
  queue._add(event());
  queue._seal();
  now = 1_000;
  queue._add(event());
  queue._seal();
  const [first, second] = queue._waiting() as [Sealed, Sealed];
  const tried = (beacon: Sealed) => {
    queue._sent(beacon);
    assert.ok(!queue._waiting().includes(beacon), "on the wire");
    beacon._inFlight = false;
  };
  tried(first);
  now += MAX_AGE_MS + 1;
  assert.deepEqual(
    beacons().map(({ seq }) => seq),
    [1],
  );
  tried(second);
  now += MAX_AGE_MS - 1;
  tried(second);
  now += 2;
  assert.deepEqual(beacons(), [], "and trying again does not lengthen its life");
});

test("what never was on the wire dies after four hours, and at midnight if that is sooner", () => {
  for (const [time, lives] of [
    ["2026-11-25T12:00:00", MAX_OFFLINE_MS],
    ["2026-11-25T23:00:00", 3_600_000],
  ] as const) {
    at(time);
    queue._add(event());
    queue._seal();
    now += lives;
    assert.equal(beacons().length, 1);
    now += 1;
    assert.equal(beacons().length, 0);
  }
});

test("what waits can be given away with its remaining time, but what is on the wire cannot", () => {
  const kept: Record<string, string> = {};
  const storage = new Proxy(kept, {
    get: (_, name: string) => (name === "removeItem" ? (key: string) => delete kept[key] : kept[name]),
  });
  Object.defineProperty(globalThis, "localStorage", { configurable: true, value: storage });
  const fill = (queue: Queue) => {
    for (const name of ["a", "b"]) {
      queue._add(event(name));
      queue._seal();
    }
    queue._sent(queue._waiting()[0] as Sealed);
    const waiting = queue._waiting();
    park(waiting);
    waiting.forEach(queue._remove);
  };
  fill(queue);
  const other = createQueue(
    "jetpay.kz",
    () => now,
    () => true,
  );
  fill(other);
  assert.deepEqual([queue._waiting().length, Object.keys(kept)], [0, ["tamga"]]);
  for (const beacon of unpark()) queue._put(...beacon);
  assert.deepEqual([queue._waiting().length, kept], [2, {}]);
  const left = (queue._waiting()[1]?.dies ?? 0) - now;
  assert.ok(left > 0 && left <= MAX_OFFLINE_MS, "ages go along");
  kept.tamga = JSON.stringify([
    ["{}", Date.now() - 1],
    ["{}", Date.now() + MAX_OFFLINE_MS + 60_000],
  ]);
  assert.deepEqual(unpark(), [], "neither the old ones nor those of a clock that was set back");
});

test("clearing forgets sealed and open events", () => {
  queue._add(event());
  queue._seal();
  queue._add(event());
  queue._clear();
  queue._seal();
  assert.deepEqual(beacons(), []);
});

test("no beacon leaves with a number beyond the contract's", () => {
  for (let i = 0; i < 10_003; i++) {
    queue._add(event());
    queue._seal();
  }
  assert.equal(beacons().at(-1)?.seq, 10_000);
});
