import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Beacon, BeaconEvent } from "../../src/beacon.js";
import { MAX_AGE_MS, MAX_BEACONS, MAX_BYTES, MAX_EVENTS, Queue } from "../../src/queue.js";

let now = 0;
let queue: Queue;
beforeEach(() => {
  now = 0;
  queue = new Queue("jetpay.kz", () => now);
  queue._begin("first");
});

const event = (name = "step"): BeaconEvent => ({ type: "event", at: 1, name });
const beacons = (): Beacon[] => queue._waiting().map(({ _body }) => JSON.parse(_body));

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

test("waiting beacons stay below the byte quota, counted as they are encoded", () => {
  for (let i = 0; i < MAX_BEACONS; i++) {
    // Two bytes a letter in UTF-8: a count of letters would let twice the quota through.
    queue._add({ type: "search", at: 0, query: "ә".repeat(4_000) });
    queue._seal();
  }
  const bytes = queue._waiting().reduce((sum, { _body }) => sum + Buffer.byteLength(_body), 0);
  assert.ok(bytes <= MAX_BYTES && bytes > MAX_BYTES - 9_000, `${bytes}`);
  assert.equal(beacons().at(-1)?.seq, MAX_BEACONS - 1);
});

test("a beacon that grew too old is dropped, a younger one stays", () => {
  queue._add(event());
  queue._seal();
  now = 1_000;
  queue._add(event());
  queue._seal();
  now = MAX_AGE_MS + 1;
  assert.deepEqual(
    beacons().map(({ seq }) => seq),
    [1],
  );
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
