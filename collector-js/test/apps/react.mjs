import { createElement as h } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Link, Navigate, Route, Routes, useNavigate } from "react-router";
import { FILTERS, LINKS, PAGES } from "./routes.mjs";

const page = h("main", null, h("p", { id: "details" }, "Details"));

function Shop() {
  const go = useNavigate();
  const links = Object.entries(LINKS).map(([id, to]) => h(Link, { key: id, id, to }, id));
  const filters = FILTERS.map((filter, at) => {
    const onClick = () => go(`/catalog${filter}`, { replace: true });
    return h("button", { type: "button", key: filter, id: `filter${at}`, onClick }, filter);
  });
  const routes = Object.keys(PAGES).map((path) => h(Route, { key: path, path, element: page }));
  const old = h(Route, { path: "/old", element: h(Navigate, { to: "/about", replace: true }) });
  const anchor = h(Link, { id: "anchor", to: "#details" }, "details");
  return h("div", null, links, filters, anchor, h(Routes, null, routes, old));
}

createRoot(/** @type {HTMLElement} */ (document.getElementById("app"))).render(
  h(BrowserRouter, null, h(Shop)),
);
