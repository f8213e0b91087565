import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { blockedBy } from "../lib/blocked.js";

test("no address of the snippet is one that lists of ad blockers name for every site", () => {
  const files = readdirSync(new URL("../../dist/", import.meta.url)).filter((name) => name.endsWith(".js"));
  assert.ok(files.includes("tamga.js") && files.includes("tamga-extras.js"));
  const paths = [
    "v1/beacon",
    "v1/picture?site=jetpay.kz",
    ...files,
    ...files.map((name) => `js/0123456789abcdef/${name}`),
  ];
  for (const path of paths) assert.deepEqual(blockedBy(`https://t.jetpay.kz/${path}`), [], path);
});

test("the rules block what they name, and a host or a separator only where it is one", () => {
  for (const [address, rules] of [
    ["https://t.jetpay.kz/v1/count.gif?site=jetpay.kz", ["/count.gif?", ".gif?site="]],
    ["https://stats.jetpay.kz/tamga.js", ["||stats.*^"]],
    ["https://t.jetpay.kz/Matomo.js", ["/matomo.js"]],
    ["https://mystats.kz/tamga.js", []],
    ["https://jetpay.kz/?next=https://stats.kz/", []],
  ] as const)
    assert.deepEqual(blockedBy(address), rules, address);
});
