import assert from "node:assert/strict";
import { test } from "node:test";

test("importing the package touches nothing, and start() without a browser does nothing", async () => {
  const before = Object.getOwnPropertyNames(globalThis);
  const { start } = await import("../../src/index.js");
  const tamga = start({ site: "jetpay.kz", endpoint: "https://t.jetpay.kz/v1/beacon" });
  tamga.view("/order/:id");
  tamga.event("pay", { variant: "b" });
  tamga.consent("granted");
  tamga.object();
  tamga.q.push(["event", "pay"]);
  assert.deepEqual(Object.getOwnPropertyNames(globalThis), before);
});

test("the public names are these and no others", async () => {
  assert.deepEqual(Object.keys(await import("../../src/index.js")), ["start"]);
});
