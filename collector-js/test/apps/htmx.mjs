import htmx from "htmx.org";
import { FILTERS } from "./routes.mjs";

document.body.setAttribute("hx-boost:inherited", "true");
addEventListener("click", ({ target }) => {
  const at = /^filter(\d)$/.exec(/** @type {Element} */ (target).id)?.[1];
  if (at) htmx.ajax("GET", "/catalog", { target: "body", replace: `/catalog${FILTERS[Number(at)]}` });
});
