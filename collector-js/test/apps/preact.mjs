import { h, render } from "preact";
import { LocationProvider, Route, Router, useLocation } from "preact-iso";
import { FILTERS, LINKS, PAGES } from "./routes.mjs";

const Page = () => h("p", { id: "details" }, "Details");
const Old = () => {
  useLocation().route("/about", true);
  return null;
};
const Shop = () => {
  const { route } = useLocation();
  return h("div", null, [
    ...Object.entries(LINKS).map(([id, href]) => h("a", { id, href }, id)),
    ...FILTERS.map((filter, at) =>
      h(
        "button",
        { type: "button", id: `filter${at}`, onClick: () => route(`/catalog${filter}`, true) },
        filter,
      ),
    ),
    h("a", { id: "anchor", href: "#details" }, "details"),
    h(Router, null, [
      ...Object.keys(PAGES).map((path) => h(Route, { path, component: Page })),
      h(Route, { path: "/old", component: Old }),
    ]),
  ]);
};
render(h(LocationProvider, null, h(Shop)), /** @type {HTMLElement} */ (document.getElementById("app")));
