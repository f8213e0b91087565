/** Tests of the checker's findings. The rest of the checker is tested in a browser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addressFinding,
  capFinding,
  cookieFinding,
  countedFinding,
  declaredFinding,
  type Finding,
  judged,
  type Page,
} from "../../src/check/findings.js";
import type { Way } from "../../src/check/trials.js";
import { type Answer, beacon } from "../../src/check/watch.js";

Object.defineProperty(globalThis, "location", {
  configurable: true,
  value: { protocol: "https:", hostname: "jetpay.kz" },
});
const answer = (given: Partial<Answer>): Answer => ({
  site: "jetpay.kz",
  endpoint: "https://t.jetpay.kz/v1/beacon",
  status: 202,
  outcome: "accepted",
  events: ["view"],
  names: [],
  ...given,
});
const way = (given: Partial<Way>): Way => ({ status: 202, undeclared: [], ...given });

test("a collector must be on https, below the site's domain, and not share the page's host name", () => {
  const at = (collector: string, hostname = "jetpay.kz", secure = true) => {
    const page: Page = { origin: `https://${hostname}`, hostname, secure };
    return addressFinding("jetpay.kz", new URL(collector), page).state;
  };
  assert.equal(at("https://t.jetpay.kz/v1/beacon"), "good");
  assert.equal(at("https://t.jetpay.kz/v1/beacon", "www.jetpay.kz"), "good");
  assert.equal(at("https://jetpay.kz/v1/beacon"), "note");
  assert.equal(at("https://t.elsewhere.kz/v1/beacon"), "bad");
  assert.equal(at("https://notjetpay.kz/v1/beacon"), "bad");
  assert.equal(at("http://t.jetpay.kz/v1/beacon"), "bad");
  // A site of several domains has a name of the collector below each.
  assert.equal(at("https://t.jetpay.ru/v1/beacon", "jetpay.ru"), "good");
  assert.equal(at("https://t.jetpay.ru/v1/beacon", "www.jetpay.ru"), "good");
  assert.equal(at("https://t.jetpay.kz/v1/beacon", "jetpay.ru"), "bad");
  assert.equal(at("https://t.ru/v1/beacon", "jetpay.ru"), "bad");
  assert.equal(at("https://t.jetpay.kz/v1/beacon", "jetpay.kz", false), "bad");
});

test("the cookie is said to come back only if the collector has seen it", () => {
  const state = (cookie?: "came" | "missing" | "unused") =>
    cookieFinding(way(cookie ? { cookie } : {})).state;
  assert.deepEqual(
    [state("came"), state("unused"), state("missing"), state()],
    ["good", "good", "bad", "note"],
  );
});

test("a page is called counted only if one of its own beacons was accepted, from no program", () => {
  const state = (answers: Answer[], program = false) => countedFinding(answers, 0, program).state;
  assert.equal(state([]), "note");
  assert.equal(state([answer({}), answer({ outcome: "dropped" })]), "good");
  assert.equal(state([answer({})], true), "note");
  assert.equal(state([answer({ outcome: "dropped" })]), "bad");
  assert.equal(state([answer({ outcome: null })]), "bad", "no collector answers so");
  assert.equal(state([answer({ outcome: "off" })]), "note");
  assert.equal(state([answer({ status: 422, outcome: null })]), "bad");
  assert.equal(state([answer({ status: 0, outcome: null })]), "bad");
});

test("an undeclared event is named with the list that lacks it", () => {
  const found = declaredFinding(way({ undeclared: ["pay.done:c"] }), ["pay.started", "pay.done:c"]);
  assert.equal(found?.state, "bad");
  assert.match(`${found?.what} ${found?.why}`, /"pay.done" with the variant "c".*"c" to variants/);
  assert.equal(declaredFinding(way({}), ["pay.started"])?.state, "good");
  assert.equal(declaredFinding(way({}), []), undefined);
});

test("what is wrong comes first, then the verdict, and the rest keeps its order", () => {
  const finding = (state: Finding["state"], what: string): Finding => ({ state, what, why: "" });
  const verdict = { ...finding("note", "5"), verdict: true };
  const all = [finding("good", "1"), finding("bad", "2"), finding("note", "3"), finding("bad", "4"), verdict];
  assert.equal(
    judged(all)
      .map(({ what }) => what)
      .join(""),
    "24513",
  );
});

test("only beacons of the page are watched", () => {
  const body = JSON.stringify({
    v: 1,
    site: "jetpay.kz",
    view: "x",
    seq: 0,
    events: [{ type: "view" }, { type: "event", name: "a", variant: "b" }],
  });
  const seen = beacon("https://t.jetpay.kz/v1/beacon", { body });
  assert.deepEqual([seen?.events, seen?.names, seen?.site], [["view", "event"], ["a:b"], "jetpay.kz"]);
  assert.equal(beacon("https://t.jetpay.kz/v1/beacon?check=", { body }), undefined);
  assert.equal(beacon("https://jetpay.kz/api", { body: "{" }), undefined);
  assert.equal(beacon("https://jetpay.kz/api", { body: '{"v":1}' }), undefined);
  assert.equal(beacon("https://jetpay.kz/api", undefined), undefined);
});

test("Safari alone is said to shorten the cookie's life", () => {
  const safari =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15";
  const chrome =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  assert.deepEqual([capFinding(safari).state, capFinding(chrome).state], ["note", "good"]);
});
