import assert from "node:assert/strict";
import { before, test } from "node:test";
import { isNewPage, isPaid, pageUrl, referrerUrl, searchTerm } from "../../src/pages.js";

before(() => {
  Object.defineProperty(globalThis, "location", { value: { hostname: "jetpay.kz" } });
});

const page =
  "https://user:secret@jetpay.kz/pay?order=77&utm_source=letter&gclid=abc&utm_medium=e%20mail#step2";

test("of a page's address only origin, path and campaign parameters leave", () => {
  assert.equal(pageUrl(page, false), "https://jetpay.kz/pay?utm_source=letter&utm_medium=e%20mail");
});

test("the fragment leaves only where it is the path", () => {
  assert.equal(pageUrl("https://jetpay.kz/#/tariffs", false), "https://jetpay.kz/");
  assert.equal(pageUrl("https://jetpay.kz/#/tariffs", true), "https://jetpay.kz/#/tariffs");
});

test("a paid click is known by its parameter, whose value stays", () => {
  for (const name of "gclid gbraid wbraid dclid gad_source msclkid yclid ttclid twclid li_fat_id rdt_cid epik sccid rb_clickid".split(
    " ",
  ))
    assert.ok(isPaid(`?a=1&${name}=secret`), name);
  for (const query of ["", "?fbclid=1", "?ysclid=1", "?xgclid=1", "?q=gclid"])
    assert.ok(!isPaid(query), query);
});

test("a template takes the place of the path, and of the path only", () => {
  assert.equal(
    pageUrl(page, true, "/pay/:order"),
    "https://jetpay.kz/pay/:order?utm_source=letter&utm_medium=e%20mail",
  );
  assert.equal(pageUrl("https://jetpay.kz/", false, "https://elsewhere.kz/x"), "https://jetpay.kz/x");
});

test("an address never exceeds the contract's length, and the path goes before the query", () => {
  const long = `https://jetpay.kz/${"a".repeat(2_000)}?utm_source=${"b".repeat(100)}`;
  assert.equal(pageUrl(long, false), long.slice(0, 2_048));
  assert.equal(pageUrl(`https://jetpay.kz/${"a".repeat(5_000)}`, false).length, 2_048);
});

test("the words of a search are those of the first named parameter that has some, within the contract's length", () => {
  const address = "https://jetpay.kz/find?page=2&q=&query=т%C3%B6лем+карта&secret=77";
  assert.equal(searchTerm(["q", "query"], address), "тöлем карта");
  assert.equal(searchTerm(["s"], address), "");
  assert.equal(searchTerm(undefined, address), "");
  const long = searchTerm(["q"], `https://jetpay.kz/?q=${"🐎".repeat(200)}`);
  assert.equal(long.length, 256);
  const cut = searchTerm(["q"], `https://jetpay.kz/?q=x${"🐎".repeat(200)}`);
  assert.equal(cut.length, 255, "half a pair is not sent, because it is not Unicode");
});

test("a referrer of the same site keeps its path, another only its origin", () => {
  assert.equal(referrerUrl("https://jetpay.kz/tariffs?x=1#y", "jetpay.kz"), "https://jetpay.kz/tariffs");
  assert.equal(referrerUrl("https://docs.jetpay.kz/api?x=1", "jetpay.kz"), "https://docs.jetpay.kz/api");
  assert.equal(referrerUrl("https://www.google.com/search?q=me", "jetpay.kz"), "https://www.google.com/");
  assert.equal(referrerUrl("https://notjetpay.kz/a", "jetpay.kz"), "https://notjetpay.kz/");
  assert.equal(referrerUrl("", "jetpay.kz"), undefined);
  assert.equal(referrerUrl("android-app://com.example/", "jetpay.kz"), undefined);
});

test("what counts as another page", () => {
  const at = (rest: string) => `https://jetpay.kz${rest}`;
  assert.equal(isNewPage(at("/a"), at("/b"), "push", false), true);
  assert.equal(isNewPage(at("/a"), at("/b"), "replace", false), true);
  assert.equal(isNewPage(at("/a"), at("/a"), "push", false), false);
  assert.equal(isNewPage(at("/a"), at("/a?page=2"), "push", false), true);
  assert.equal(isNewPage(at("/a?page=2"), at("/a"), "traverse", false), true);
  assert.equal(isNewPage(at("/a"), at("/a?sort=price"), "replace", false), false);
  assert.equal(isNewPage(at("/a"), at("/a#b"), "push", false), false);
  assert.equal(isNewPage(at("/a"), at("/a#b"), "push", true), true);
});
