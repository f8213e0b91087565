export default {
  telemetry: false,
  compatibilityDate: "2026-01-01",
  app: {
    head: { script: [{ src: "https://t.shop.test/tamga.js", defer: true, "data-site": "shop.localhost" }] },
  },
  nitro: { prerender: { routes: ["/", "/catalog", "/about", "/item/7"], crawlLinks: false } },
};
