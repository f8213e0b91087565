import Navigo from "navigo";
import { FILTERS, LINKS, PAGES } from "./routes.mjs";

const app = /** @type {HTMLElement} */ (document.getElementById("app"));
const router = new Navigo("/");
const draw = () => {
  const links = Object.entries(LINKS).map(([id, to]) => `<a id="${id}" href="${to}" data-navigo>${id}</a> `);
  const filters = FILTERS.map((filter, at) => `<button id="filter${at}">${filter}</button>`);
  app.innerHTML = `${links.join("")}${filters.join("")}<a id="anchor" href="#details">details</a><p id="details">Details</p>`;
  router.updatePageLinks();
  for (const [at, filter] of FILTERS.entries())
    document
      .getElementById(`filter${at}`)
      ?.addEventListener("click", () =>
        router.navigate(`/catalog${filter}`, { historyAPIMethod: "replaceState" }),
      );
};
for (const path of Object.keys(PAGES)) router.on(path, draw);
router.on("/old", () => router.navigate("/about", { historyAPIMethod: "replaceState" }));
router.resolve();
