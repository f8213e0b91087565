/** Tests of the checker's findings. The rest of the checker is tested in a browser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Answer,
  addressFinding,
  capFinding,
  cookieFinding,
  rowsFinding,
} from "../../src/check/findings.js";

Object.defineProperty(globalThis, "location", {
  configurable: true,
  value: { protocol: "https:", hostname: "jetpay.kz" },
});
const answer = (given: Partial<Answer>): Answer => ({
  status: 202,
  outcome: "accepted",
  device: null,
  events: ["view"],
  ...given,
});

test("a collector must be on https, below the site's domain, and not share the page's host name", () => {
  const at = (collector: string, page = "jetpay.kz", secure = true) =>
    addressFinding("jetpay.kz", new URL(collector), page, secure).state;
  assert.equal(at("https://t.jetpay.kz/v1/beacon"), "good");
  assert.equal(at("https://t.jetpay.kz/v1/beacon", "www.jetpay.kz"), "good");
  assert.equal(at("https://jetpay.kz/v1/beacon"), "note");
  assert.equal(at("https://t.elsewhere.kz/v1/beacon"), "bad");
  assert.equal(at("https://notjetpay.kz/v1/beacon"), "bad");
  assert.equal(at("http://t.jetpay.kz/v1/beacon"), "bad");
  assert.equal(at("https://t.jetpay.kz/v1/beacon", "jetpay.kz", false), "bad");
});

test("two requests for the device part in one session mean that the cookie did not come back", () => {
  const state = (...answers: Answer[]) => cookieFinding(answers).state;
  assert.equal(state(answer({ device: "10" }), answer({ device: "10" })), "bad");
  assert.equal(state(answer({ device: "10" }), answer({})), "good");
  assert.equal(state(answer({ device: "10" })), "note", "one answer is not enough");
  assert.equal(state(answer({}), answer({})), "note", "a policy without such items shows nothing");
  assert.equal(state(answer({ device: "10" }), answer({ outcome: "dropped" })), "note");
});

test("a page is counted if one of its beacons was accepted", () => {
  assert.equal(rowsFinding([]).state, "note");
  assert.equal(rowsFinding([answer({}), answer({ outcome: "dropped" })]).state, "good");
  assert.equal(rowsFinding([answer({ outcome: "dropped" })]).state, "note");
  assert.equal(rowsFinding([answer({ outcome: "off" })]).state, "note");
  assert.equal(rowsFinding([answer({ status: 422, outcome: null })]).state, "bad");
  assert.equal(rowsFinding([answer({ status: 0, outcome: null })]).state, "bad");
});

test("Safari alone is said to shorten the cookie's life", () => {
  const safari =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15";
  const chrome =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  assert.deepEqual([capFinding(safari).state, capFinding(chrome).state], ["note", "good"]);
});
