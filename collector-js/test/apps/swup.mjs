import Swup from "swup";
import { FILTERS } from "./routes.mjs";

const swup = new Swup({ containers: ["main"], animationSelector: false });
addEventListener("click", ({ target }) => {
  const at = /^filter(\d)$/.exec(/** @type {Element} */ (target).id)?.[1];
  if (at) swup.navigate(`/catalog${FILTERS[Number(at)]}`, { history: "replace" });
});
