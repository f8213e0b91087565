/**
 * The pages of the small applications, and the steps of a visit. Every application has the same links, so that one test
 * walks through all of them. A link that the step needs has its name as `id`.
 */
/** Path → heading. */
export const PAGES = /** @type {Record<string, string>} */ ({
  "/": "Home",
  "/catalog": "Catalog",
  "/about": "About",
  "/item/7": "Item",
});

/** Name → where the link leads. `old` is redirected to `/about` by the application. */
export const LINKS = /** @type {Record<string, string>} */ ({
  home: "/",
  catalog: "/catalog",
  about: "/about",
  page: "/catalog?page=2",
  item: "/item/7",
  old: "/old",
});

export const FILTERS = ["?sort=price", "?sort=price&colour=red", "?colour=red"];

/** Applications that a framework builds: folders here, each with a package of its own. */
export const FRAMEWORKS = ["angular", "astro", "next", "nuxt", "sveltekit"];
