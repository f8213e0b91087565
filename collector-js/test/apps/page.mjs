import page from "page";
import { FILTERS, LINKS, PAGES } from "./routes.mjs";

const app = /** @type {HTMLElement} */ (document.getElementById("app"));
const draw = () => {
  const links = Object.entries(LINKS).map(([id, to]) => `<a id="${id}" href="${to}">${id}</a> `);
  const filters = FILTERS.map((filter, at) => `<button id="filter${at}">${filter}</button>`);
  app.innerHTML = `${links.join("")}${filters.join("")}<a id="anchor" href="#details">details</a><p id="details">Details</p>`;
  for (const [at, filter] of FILTERS.entries())
    document
      .getElementById(`filter${at}`)
      ?.addEventListener("click", () => page.replace(`/catalog${filter}`));
};
for (const path of Object.keys(PAGES)) page(path, draw);
page("/old", () => page.redirect("/about"));
page();
