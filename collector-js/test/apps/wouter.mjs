import { createElement as h } from "react";
import { createRoot } from "react-dom/client";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { FILTERS, LINKS, PAGES } from "./routes.mjs";

function Shop() {
  const [, go] = useLocation();
  return h(
    "div",
    null,
    Object.entries(LINKS).map(([id, href]) => h(Link, { key: id, id, href }, id)),
    FILTERS.map((filter, at) => {
      const onClick = () => go(`/catalog${filter}`, { replace: true });
      return h("button", { type: "button", key: filter, id: `filter${at}`, onClick }, filter);
    }),
    h("a", { id: "anchor", href: "#details" }, "details"),
    h(
      Switch,
      null,
      Object.keys(PAGES).map((path) => h(Route, { key: path, path }, h("p", { id: "details" }, "Details"))),
      h(Route, { path: "/old" }, h(Redirect, { to: "/about", replace: true })),
    ),
  );
}

createRoot(/** @type {HTMLElement} */ (document.getElementById("app"))).render(h(Shop));
