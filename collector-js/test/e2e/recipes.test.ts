/** Do the HTML blocks of docs/recipes.md count a view, each as it stands there? */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { SITE, World } from "./world.js";

const recipes = readFileSync(new URL("../../../docs/recipes.md", import.meta.url), "utf8");
const blocks = [...recipes.matchAll(/^## (.+)$|^```html\n([\s\S]*?)^```$/gm)].reduce<[string, string][]>(
  (found, [, title, html]) => {
    if (title) found.push([title, ""]);
    else if (html) found.push([found.at(-1)?.[0] ?? "", html]);
    return found;
  },
  [],
);

let world: World;
before(async () => {
  world = await World.create();
});
after(() => world?.close());

/** A recipe with the names of this test's site. */
const here = (html: string) =>
  html.replaceAll("https://t.jetpay.kz", new URL(world.scriptUrl).origin).replaceAll("jetpay.kz", SITE);

/** What a visitor has to do before a recipe counts. */
const kind = (html: string) =>
  html.includes("text/plain")
    ? "held"
    : html.includes("wait")
      ? "waiting"
      : html.includes("tamga.object()")
        ? "objecting"
        : "at once";

for (const [title, html] of blocks.filter(([, html]) => html)) {
  test(`${title}: ${kind(html)}`, async () => {
    const page = await world.visitor();
    world.pages["/"] = { tag: here(html) };
    world.pages["/admin/"] = { tag: here(html) };
    await page.goto(`${world.origin}/`);
    if (kind(html) !== "at once") {
      await world.quiet();
      assert.equal(world.received.length, 0, "nothing before the visitor does something");
    }
    if (kind(html) === "objecting") {
      await page.click("button");
      return world.until(() => world.of("object").length === 1);
    }
    if (kind(html) === "held") {
      // As the managers do it: another element with the same attributes and another type.
      await page.evaluate(() => {
        const held = document.querySelector("script[type='text/plain']") as HTMLScriptElement;
        const tag = document.createElement("script");
        for (const { name, value } of held.attributes) if (name !== "type") tag.setAttribute(name, value);
        held.replaceWith(tag);
      });
    } else if (kind(html) === "waiting") {
      await page.evaluate("onConsent(true)");
    }
    await world.until(() => world.of("view").length === 1);
    if (kind(html) === "waiting") {
      await world.until(() => world.of("consent").length === 1);
      await page.evaluate("onConsent(false)");
      await world.until(() => world.of("consent").length === 2);
      assert.equal(world.of("consent")[1]?.state, "denied");
    }
    if (html.includes("/admin/")) {
      await page.goto(`${world.origin}/admin/`);
      await world.quiet();
      assert.equal(world.of("view").length, 1, "a path that is left out");
    }
  });
}

/** A manager itself, with the recipe that it holds the tag, or that the snippet waits. */
const manager = readFileSync(
  new URL("../../test/apps/node_modules/vanilla-cookieconsent/dist/cookieconsent.umd.js", import.meta.url),
  "utf8",
);
const run = (hooks: string) => `<script>${manager.replaceAll("</script>", "<\\/script>")}</script>
  <script>addEventListener("DOMContentLoaded", () => CookieConsent.run({ ${hooks}
    hideFromBots: false, categories: { necessary: { readOnly: true, enabled: true }, analytics: {} },
    language: { default: "en", translations: { en: {
      consentModal: { title: "Cookies", acceptAllBtn: "Agree", acceptNecessaryBtn: "Refuse" },
      preferencesModal: { title: "Cookies", sections: [] } } } } }))</script>`;
const ROW = /vanilla-cookieconsent \| `(onConsent: .+?)`, and the same as `(\w+)`/.exec(recipes) ?? [];
const HOOKS = `${ROW[1]}, ${ROW[1]?.replace("onConsent:", `${ROW[2]}:`)},`;

for (const kind of ["text/plain", 'data-consent="wait"']) {
  test(`vanilla-cookieconsent itself, with ${kind}`, async () => {
    const page = await world.visitor();
    const recipe = blocks.find(([title, html]) => title === "Consent managers" && html.includes(kind))?.[1];
    const waits = kind !== "text/plain";
    for (const path of ["/", "/next"])
      world.pages[path] = { tag: here(recipe ?? "") + run(waits ? HOOKS : "") };
    await page.goto(`${world.origin}/`);
    await page.getByText("Agree").waitFor();
    await world.quiet();
    assert.deepEqual(world.of("view"), [], "nothing before the answer");
    await page.getByText("Agree").click();
    await world.until(() => world.of("view").length === 1);
    await page.goto(`${world.origin}/next`);
    await world.until(() => world.of("view").length === 2);
    if (!waits) return;
    await page.evaluate("CookieConsent.acceptCategory([])");
    await world.until(() => world.of("consent").at(-1)?.state === "denied");
  });
}

test("WordPress: the tag as its filter leaves it", async () => {
  const page = await world.visitor();
  // As WordPress 6 writes an enqueued script with the strategy "defer".
  const written = `<script src="${world.scriptUrl}" id="tamga-js" defer data-wp-strategy="defer"></script>\n`;
  const [, from = "", to = ""] = /str_replace\("(.+?)", '(.+?)', \$tag\)/.exec(recipes) ?? [];
  world.pages["/"] = { tag: written.replaceAll(from, here(to)) };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
});

test("this page has the recipes that it is meant to have", () => {
  assert.equal(blocks.filter(([, html]) => html).length, 6);
  for (const title of ["Google Tag Manager", "Consent managers", "WordPress", "Astro", "Next.js", "Nuxt"])
    assert.ok(
      blocks.some(([found]) => found === title),
      title,
    );
});
