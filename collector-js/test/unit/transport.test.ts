import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { createQueue, MAX_AGE_MS, type Queue } from "../../src/queue.js";
import { createTransport } from "../../src/transport.js";

interface Sent {
  body: string;
}
let now = 0;
let sent: Sent[] = [];
let inits: RequestInit[] = [];
let answers: (Response | Error | Promise<Response>)[] = [];
let off = 0;
let queue: Queue;
let transport: ReturnType<typeof createTransport>;

beforeEach(() => {
  now = 0;
  sent = [];
  inits = [];
  answers = [];
  off = 0;
  // At noon, because a beacon dies at midnight.
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: new Date("2026-11-25T12:00:00") });
  mock.method(Math, "random", () => 0.5);
  mock.method(globalThis, "fetch", async (_url: string, init: RequestInit) => {
    inits.push(init);
    sent.push({ body: String(init.body) });
    const answer = answers.shift() ?? new Response(null, { status: 202 });
    if (answer instanceof Error) throw answer;
    return answer;
  });
  Object.defineProperty(globalThis, "navigator", {
    configurable: true,
    value: { onLine: true },
  });
  queue = createQueue(
    "jetpay.kz",
    () => now,
    () => true,
  );
  queue._begin("view");
  transport = createTransport(
    "https://t.jetpay.kz/v1/beacon",
    queue,
    (attempt) => attempt(),
    (headers) => {
      if (headers.get("Tamga-Outcome") !== "off") return;
      off++;
      queue._clear();
    },
  );
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const put = (name: string) => {
  queue._add({ type: "event", at: 0, name });
  queue._seal();
};
const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};
const pass = async (ms: number) => {
  now += ms;
  mock.timers.tick(ms);
  await settle();
};
const names = () => sent.map(({ body }) => JSON.parse(body).events[0].name);

test("beacons leave one at a time and in order", async () => {
  let release = (_: Response) => {};
  answers = [
    new Promise<Response>((resolve) => {
      release = resolve;
    }),
  ];
  put("a");
  put("b");
  transport._pump();
  transport._pump();
  await settle();
  assert.deepEqual(names(), ["a"]);
  release(new Response(null, { status: 202 }));
  await settle();
  assert.deepEqual(names(), ["a", "b"]);
  assert.equal(queue._waiting().length, 0);
});

test("a request outlives its page, takes the cookie along, names no page, and needs no preflight", async () => {
  put("a");
  transport._pump();
  await settle();
  const [{ body, ...rest } = {}] = inits;
  assert.equal(typeof body, "string");
  // On loopback a request is quicker than the end of its page, so only this test notices a missing `keepalive`.
  assert.deepEqual(
    { ...rest },
    {
      method: "POST",
      keepalive: true,
      credentials: "include",
      referrerPolicy: "no-referrer",
    },
  );
});

test("a network error is retried with the same bytes after two seconds, then four", async () => {
  answers = [new TypeError("offline"), new TypeError("offline")];
  put("a");
  transport._pump();
  await settle();
  await pass(1_999);
  assert.equal(sent.length, 1);
  await pass(1);
  assert.equal(sent.length, 2);
  await pass(3_999);
  assert.equal(sent.length, 2);
  await pass(1);
  assert.equal(sent.length, 3);
  assert.equal(new Set(sent.map(({ body }) => body)).size, 1);
  assert.equal(queue._waiting().length, 0);
});

for (const status of [429, 503])
  test(`${status} waits as long as Retry-After asks, and new events do not shorten it`, async () => {
    answers = [new Response(null, { status, headers: { "Retry-After": "60" } })];
    put("a");
    transport._pump();
    await settle();
    put("b");
    transport._pump();
    await pass(59_000);
    assert.deepEqual(names(), ["a"]);
    await pass(1_000);
    assert.deepEqual(names(), ["a", "a", "b"]);
  });

test("a browser that says it is offline is tried once, and left alone if it is right", async () => {
  Object.assign(navigator, { onLine: false });
  answers = [new TypeError("offline")];
  put("a");
  transport._pump();
  await settle();
  transport._hide();
  await pass(3_600_000);
  assert.deepEqual(names(), ["a"]);
  Object.assign(navigator, { onLine: true });
  transport._pump();
  await settle();
  assert.deepEqual(names(), ["a", "a"], "an attempt that never was on the wire shortens no life");
});

test("a browser that says it is offline and is not sends everything", async () => {
  Object.assign(navigator, { onLine: false });
  put("a");
  put("b");
  transport._pump();
  await settle();
  assert.deepEqual(names(), ["a", "b"]);
});

test("options that a page gave all objects are none of the request", async () => {
  const polluted = Object.prototype as { signal?: unknown };
  polluted.signal = "page";
  put("a");
  transport._pump();
  await settle();
  delete polluted.signal;
  assert.equal(inits[0]?.signal, undefined);
});

test("a hostile Retry-After cannot overflow the timer", async () => {
  answers = [new Response(null, { status: 503, headers: { "Retry-After": "99999999999" } })];
  put("a");
  transport._pump();
  await settle();
  await pass(MAX_AGE_MS - 1);
  assert.equal(sent.length, 1);
  await pass(2);
  assert.equal(queue._waiting().length, 0);
});

for (const status of [400, 403, 413, 422]) {
  test(`${status} is final`, async () => {
    answers = [new Response(null, { status })];
    put("a");
    put("b");
    transport._pump();
    await settle();
    assert.deepEqual(names(), ["a", "b"]);
  });
}

test("a collector that never comes back is given up when the beacon is too old", async () => {
  answers = Array.from({ length: 100 }, () => new TypeError("offline"));
  put("a");
  transport._pump();
  for (let i = 0; i < 200; i++) await pass(30_000);
  assert.equal(queue._waiting().length, 0);
  assert.ok(sent.length > 5 && sent.length < 15, `${sent.length} attempts`);
});

test("outcome off is reported and empties the queue", async () => {
  answers = [new Response(null, { status: 202, headers: { "Tamga-Outcome": "off" } })];
  put("a");
  put("b");
  transport._pump();
  await settle();
  assert.deepEqual(names(), ["a"]);
  assert.equal(off, 1);
});

test("hiding the page sends what waits at once, but not again what is on the wire", async () => {
  answers = [new Promise<Response>(() => {})];
  put("a");
  transport._pump();
  await settle();
  put("b");
  put("c");
  transport._hide();
  transport._hide();
  await settle();
  assert.deepEqual(names(), ["a", "b", "c"]);
});

test("hiding the page does not wait for the end of a pause, and what fails then is retried", async () => {
  answers = [new Response(null, { status: 503 }), new Response(null, { status: 503 })];
  put("a");
  transport._pump();
  await settle();
  transport._hide();
  await settle();
  assert.deepEqual(names(), ["a", "a"]);
  await pass(2_000);
  assert.deepEqual(names(), ["a", "a", "a"]);
  assert.equal(queue._waiting().length, 0);
});
