/**
 * Looks at the page in the system's Firefox: `node test/firefox.mjs ORIGIN PASSWORD`, as `look.mjs` does in Chromium.
 *
 * It signs in, opens every tab of every panel in every language, and follows a way from page to page with the keyboard.
 * Every panel shows numbers or says why not, and no script fails.
 */
import assert from "node:assert/strict";
import { Firefox, type Tab } from "../../collector-js/test/lib/firefox";

const [origin = "", password = ""] = process.argv.slice(2);

/** Waits until something is so. The tests around this one say how long is too long. */
async function until<Arg>(tab: Tab, what: string, isSo: (arg: Arg) => boolean, arg?: Arg) {
  const end = performance.now() + 120_000;
  while (!(await tab.evaluate(isSo, arg))) {
    if (performance.now() > end)
      throw new Error(`${what}: ${await tab.evaluate(() => document.body.innerText)}`);
    await new Promise((later) => setTimeout(later, 50));
  }
}

/** Panels ask when they come into view: the next one that has not asked is brought there. */
const isSettled = () => {
  const contents = [...document.querySelectorAll<HTMLElement>(".content")];
  const next = contents.find((of) => !of.dataset.asked);
  next?.scrollIntoView();
  return contents.length > 10 && !next && contents.every((of) => !of.hasAttribute("aria-busy"));
};

async function look(tab: Tab) {
  await tab.goto(`${origin}/stats`);
  await until(tab, "the form", () => Boolean(document.querySelector("#password")));
  await tab.evaluate((password) => {
    const input = (id: string, value: string) => {
      const field = document.querySelector(id) as HTMLInputElement;
      field.value = value;
    };
    input("#name", "aigerim");
    input("#password", password);
    document.querySelector<HTMLButtonElement>("button[type=submit]")?.click();
  }, password);
  await until(tab, "signed in", () => Boolean(document.querySelector(".controls")));
  await tab.goto(`${origin}/stats?site=s1.kz&goal=order`);
  await tab.evaluate(() => {
    const failed: string[] = [];
    Object.assign(window, { failed });
    addEventListener("error", ({ message }) => failed.push(message));
    addEventListener("securitypolicyviolation", ({ violatedDirective }) => failed.push(violatedDirective));
    // From now on a browser that is busy: what it has seen comes late, and together.
    const Prompt = IntersectionObserver;
    window.IntersectionObserver = class extends Prompt {
      constructor(callback: IntersectionObserverCallback, options?: IntersectionObserverInit) {
        const seen: IntersectionObserverEntry[] = [];
        super((entries, observer) => {
          seen.push(...entries);
          setTimeout(() => callback(seen.splice(0), observer), 300);
        }, options);
      }
    };
  });
  await until(tab, "panels", isSettled);
  assert.match(await tab.evaluate(() => document.querySelector(".notes")?.textContent ?? ""), /<b>checkout/);
  for (const language of ["en", "ru", "kk"]) {
    await tab.evaluate((language) => {
      const select = document.querySelector<HTMLSelectElement>(".tastes select");
      if (!select) throw new Error("no choice of languages");
      select.value = language;
      select.dispatchEvent(new Event("change"));
    }, language);
    await until(tab, language, isSettled);
    const tabs = await tab.evaluate(() => document.querySelectorAll(".tab").length);
    for (let at = 0; at < tabs; at++) {
      await tab.evaluate((at) => document.querySelectorAll<HTMLElement>(".tab")[at]?.click(), at);
      await until(tab, `${language}, tab ${at}`, isSettled);
    }
    const empty = await tab.evaluate(
      () =>
        [...document.querySelectorAll(".content")].filter((of) => !of.querySelector("table,svg,canvas,dl,ol"))
          .length,
    );
    assert.equal(empty, 0, `panels that show nothing in ${language}`);
  }
  // A way opens by the keyboard.
  await tab.evaluate(() => document.querySelector<HTMLElement>("#flow .tab")?.click());
  await until(tab, "ways", () => Boolean(document.querySelector("#flow .flow[role=button]")));
  const [shown = "", opened = ""] = await tab.evaluate(() => {
    const shown = document.querySelector("#flow h3")?.textContent ?? "";
    const pageOf = (way: Element) => way.getAttribute("aria-label")?.split(" ")[0] ?? "";
    // A page leads to itself, too.
    const ways = [...document.querySelectorAll("#flow .flow[role=button]")];
    const way = ways.find((way) => pageOf(way) !== shown);
    way?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    return [shown, way ? pageOf(way) : ""];
  });
  assert.ok(opened.startsWith("/"), `no way from ${shown}`);
  const isAnother = (shown: string) => (document.querySelector("#flow h3")?.textContent ?? shown) !== shown;
  await until(tab, "the way's page", isAnother, shown);
  assert.deepEqual(await tab.evaluate(() => (window as unknown as { failed: string[] }).failed), []);
}

async function main() {
  const firefox = await Firefox.launch();
  try {
    await look(await firefox.tab());
  } finally {
    await firefox.close();
  }
  console.log("looked at in Firefox");
}

void main();
