import assert from "node:assert/strict";
import { before, test } from "node:test";
import { searchTerm } from "../../src/extras/search.js";
import { isPaid, pagePath, pageUrl, referrerUrl } from "../../src/pages.js";

before(() => {
  Object.defineProperty(globalThis, "location", { value: { hostname: "jetpay.kz" } });
  // An address in its parts, as the element gives it: by the page's own address.
  const createElement = () => ({
    set href(address: string) {
      const { protocol, origin, hostname, pathname, search, hash } = new URL(address, "https://jetpay.kz/");
      Object.assign(this, { protocol, origin, hostname, pathname, search, hash });
    },
  });
  Object.defineProperty(globalThis, "document", { value: { createElement } });
});

const page =
  "https://user:secret@jetpay.kz/pay?order=77&utm_source=letter&gclid=abc&utm_medium=e%20mail#step2";

test("of a page's address only origin, path and campaign parameters leave", () => {
  assert.equal(pageUrl(page, false), "https://jetpay.kz/pay?utm_source=letter&utm_medium=e%20mail");
});

test("of the fragment only a hash route's path leaves, as a part of the path, and the campaign stays", () => {
  for (const [address, hash, sent] of [
    ["https://jetpay.kz/#/tariffs", false, "https://jetpay.kz/"],
    ["https://jetpay.kz/#/tariffs", true, "https://jetpay.kz/tariffs"],
    ["https://jetpay.kz/app?utm_source=a&x=1#/tariffs", true, "https://jetpay.kz/app/tariffs?utm_source=a"],
    ["https://jetpay.kz/app#!/pay/42?token=1", true, "https://jetpay.kz/app/pay/42"],
    ["https://jetpay.kz/app/#/pay/42#end", true, "https://jetpay.kz/app/pay/42"],
    ["https://jetpay.kz/app#access_token=secret", true, "https://jetpay.kz/app"],
    ["https://jetpay.kz/app#?access_token=/secret", true, "https://jetpay.kz/app"],
    ["https://jetpay.kz/app#top", true, "https://jetpay.kz/app"],
    ["https://jetpay.kz/app#!secret/x", true, "https://jetpay.kz/app"],
  ] as const)
    assert.equal(pageUrl(address, hash), sent, address);
});

test("a parameter is a campaign's only by its whole name", () => {
  assert.equal(pageUrl("https://jetpay.kz/?x-utm_source=secret&utm_term=a"), "https://jetpay.kz/?utm_term=a");
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
  assert.equal(pageUrl("https://jetpay.kz/", false, "order/:id?token=1#x"), "https://jetpay.kz/order/:id");
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
  assert.equal(referrerUrl("about:client", "jetpay.kz"), undefined);
  const application = "android-app://org.telegram.messenger/";
  assert.equal(referrerUrl(application, "jetpay.kz"), application);
});

test("what counts as another page: another path, however it is written", () => {
  const at = (rest: string) => `https://jetpay.kz${rest}`;
  for (const [last, next, hash, isNew] of [
    ["/a", "/b", false, true],
    ["/a", "/a", false, false],
    ["/a", "/a?page=2", false, false],
    ["/find?q=t", "/find?q=te", false, false],
    ["/a/", "/a", false, false],
    ["//a", "/a", false, false],
    ["/a//b/", "/a/b", false, false],
    ["/it%27s", "/it's", false, false],
    ["/%d0%b0", "/%D0%B0", false, false],
    ["/a%", "/a%/", false, false],
    ["/A", "/a", false, true],
    ["/a", "/a#b", false, false],
    ["/a", "/a#b", true, false],
    ["/a", "/a#/b", true, true],
    ["/a#/b", "/a#/b?x=1", true, false],
    ["/a#/b", "/a#/b", true, false],
  ] as const)
    assert.equal(pagePath(at(last), hash) !== pagePath(at(next), hash), isNew, `${last} → ${next}`);
});
