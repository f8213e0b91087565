import { createApp, h } from "vue";
import { createRouter, createWebHistory, RouterLink, RouterView } from "vue-router";
import { FILTERS, LINKS } from "./routes.mjs";

const page = { render: () => h("main", [h("h1", location.pathname), h("p", { id: "details" }, "Details")]) };
const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: "/", component: page },
    { path: "/catalog", component: page },
    { path: "/about", component: page },
    { path: "/item/:id", component: page },
    { path: "/old", redirect: "/about" },
  ],
});
const links = Object.entries(LINKS).map(([id, to]) => h(RouterLink, { id, to }, () => id));
const filters = FILTERS.map((filter, at) =>
  h(
    "button",
    { type: "button", id: `filter${at}`, onClick: () => router.replace(`/catalog${filter}`) },
    filter,
  ),
);
const anchor = h(RouterLink, { id: "anchor", to: "#details" }, () => "details");
createApp({ render: () => [...links, ...filters, anchor, h(RouterView)] })
  .use(router)
  .mount("#app");
