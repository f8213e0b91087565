import * as Turbo from "@hotwired/turbo";
import { FILTERS } from "./routes.mjs";

addEventListener("click", ({ target }) => {
  const at = /^filter(\d)$/.exec(/** @type {Element} */ (target).id)?.[1];
  if (at) Turbo.visit(`/catalog${FILTERS[Number(at)]}`, { action: "replace" });
});
