import m from "mithril";
import { FILTERS, LINKS, PAGES } from "./routes.mjs";

m.route.prefix = "";
const replace = { replace: true };
const shop = {
  view: () => [
    ...Object.entries(LINKS).map(([id, href]) => m(m.route.Link, { id, href }, id)),
    ...FILTERS.map((filter, at) =>
      m(
        "button",
        { type: "button", id: `filter${at}`, onclick: () => m.route.set(`/catalog${filter}`, null, replace) },
        filter,
      ),
    ),
    m("a", { id: "anchor", href: "#details" }, "details"),
    m("p", { id: "details" }, "Details"),
  ],
};
const old = { onmatch: () => m.route.set("/about", null, replace) };
const routes = Object.fromEntries(Object.keys(PAGES).map((path) => [path, shop]));
m.route(/** @type {HTMLElement} */ (document.getElementById("app")), "/", { ...routes, "/old": old });
