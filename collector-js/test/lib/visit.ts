/**
 * One visit to a small application, in seventeen steps, and the rows that it must leave: the same for every application
 * and browser.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FILTERS, FRAMEWORKS, LINKS, PAGES } from "../apps/routes.mjs";
import type { Site } from "../e2e/site.js";

/** Applications whose pages the server writes, with all links. Those of others are drawn by their script. */
const WRITTEN = ["htmx", "plain", "swup", "turbo", "unpoly"];
/** Where frameworks have built theirs. */
const BUILT = fileURLToPath(new URL("../../.stacks", import.meta.url));

/** What a test asks of a browser's tab. */
export interface Visitor {
  goto(url: string): Promise<unknown>;
  evaluate<Result, Arg>(run: (arg: Arg) => Result, arg: Arg): Promise<unknown>;
  reload(): Promise<unknown>;
  back(): Promise<unknown>;
  forward(): Promise<unknown>;
  close(): Promise<unknown>;
}

/** The pages of an application. */
export function serve(site: Site, app: string) {
  if (FRAMEWORKS.includes(app)) {
    site.folder = join(BUILT, app, "dist");
    return;
  }
  const tag = `<script type="module" src="/apps/${app}.js"></script>`;
  const links = Object.entries(LINKS).map(([id, to]) => `<a id="${id}" href="${to}">${id}</a> `);
  const filters = FILTERS.map((filter, at) => `<button id="filter${at}">${filter}</button>`);
  const written = `${links.join("")}${filters.join("")}<a id="anchor" href="#details">details</a>`;
  const out = `<a id="out" href="${site.elsewhere}/">out</a>`;
  const isWritten = WRITTEN.includes(app);
  for (const path of [...Object.keys(PAGES), "/old"]) {
    const body = isWritten
      ? `${written}<main><h1>${path}</h1><p id="details">Details</p></main>`
      : '<div id="app"></div>';
    site.pages[path] =
      isWritten && path === "/old"
        ? { location: "/about" }
        : { head: isWritten ? tag : "", body: `${body}${out}${isWritten ? "" : tag}` };
  }
}

/** Walks through the application. `patienceMs` is how long a step may take. Returns the paths of the views in order. */
export async function visit(site: Site, app: string, tab: Visitor, patienceMs: number): Promise<string[]> {
  // Without an application each link loads a page.
  const loads = app === "plain";
  const paths = () =>
    site.stored.flatMap((event) => (event.type === "view" ? [event.url.slice(site.origin.length)] : []));
  const expected: string[] = [];
  /** Waits until the tab shows a page, and everything of this step has been sent, or would have been. */
  const arrive = async (address: string, isView: boolean) => {
    if (isView) expected.push(address.replace(/[?#].*/, ""));
    const end = performance.now() + patienceMs;
    const url = address ? site.origin + address : `${site.elsewhere}/`;
    for (let at: unknown = ""; at !== url; ) {
      assert.ok(performance.now() < end, `no step to ${address}, but to ${at}; expected ${expected}`);
      await site.quiet(20);
      at = await tab.evaluate((_) => location.href, 0).catch(() => "");
      // Some applications replace an anchor's entry by that of its page, and come back to it.
      if (!address.includes("#")) at = `${at}`.replace(/#.*/, "");
    }
    await site.until(() => paths().length >= expected.length, patienceMs);
    await site.quiet(400);
    assert.deepEqual(paths(), expected, `at ${address}`);
  };
  const click = async (id: string, address: string, isView: boolean) => {
    const end = performance.now() + patienceMs;
    // What a framework has written beforehand does nothing until its script is there.
    const press = ([id, waits]: [string, boolean]) => {
      if (waits && document.documentElement.dataset.ready === undefined) return false;
      const element = document.getElementById(id);
      element?.click();
      return !!element;
    };
    while (!(await tab.evaluate(press, [id, FRAMEWORKS.includes(app)] as [string, boolean]))) {
      assert.ok(performance.now() < end, `no element ${id}`);
      await site.quiet(20);
    }
    await arrive(address, isView);
  };

  /** Other entries of the same page may lie between. */
  const back = async (path: string) => {
    for (let turn = 0; turn < 4; turn++) {
      await tab.back();
      await site.quiet(400);
      if ((await tab.evaluate((_) => location.pathname, 0).catch(() => "")) === path) return;
    }
  };

  await tab.goto(`${site.origin}/`);
  await arrive("/", true);
  await click("about", "/about", true);
  await click("catalog", "/catalog", true);
  await click("filter0", "/catalog?sort=price", false);
  await click("filter1", "/catalog?sort=price&colour=red", false);
  await click("filter2", "/catalog?colour=red", false);
  await click("page", "/catalog?page=2", loads);
  await click("item", "/item/7", true);
  await click("item", "/item/7", loads);
  await click("anchor", "/item/7#details", false);
  await back("/catalog");
  await arrive("/catalog?page=2", true);
  await tab.forward();
  await arrive("/item/7", true);
  await click("old", "/about", true);
  await tab.reload();
  await arrive("/about", true);
  await click("out", "", false);
  await site.until(() => site.of("exit").length === 1, patienceMs);
  await tab.back();
  await arrive("/about", true);
  const before = site.of("engage").length;
  await tab.close();
  await site.until(() => site.of("engage").length > before, patienceMs);
  await site.quiet(400);
  assert.deepEqual(paths(), expected);
  const ids = site.received.filter(({ beacon }) => beacon.events.some(({ type }) => type === "view"));
  assert.equal(new Set(ids.map(({ beacon }) => beacon.view)).size, expected.length);
  return expected;
}
