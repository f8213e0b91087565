import "unpoly";
import { FILTERS } from "./routes.mjs";

const { up } = /** @type {any} */ (window);
up.link.config.followSelectors.push("a[href]");
addEventListener("click", ({ target }) => {
  const at = /^filter(\d)$/.exec(/** @type {Element} */ (target).id)?.[1];
  if (at) history.replaceState({}, "", `/catalog${FILTERS[Number(at)]}`);
});
