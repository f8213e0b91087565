/**
 * What the demo shop needs a script for: the language, the catalog's filters (which change the address without loading a
 * page, as single-page applications do), a cart in this browser, and a checkout that sends nothing of what is typed.
 *
 * It runs before the page is drawn, so that the language does not flicker. Of Tamga it uses the queue only, and works without it.
 */

(() => {
  const LANGUAGES = ["kk", "ru", "en"];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const count = (event, details) => {
    window.tamga = window.tamga || { q: [] };
    window.tamga.q.push(["event", event, details]);
  };

  // Storage is refused in some private windows; the shop then forgets from page to page, and works.
  const remember = (key, value) => {
    try {
      localStorage.setItem(key, JSON.stringify(value));
    } catch {}
  };
  const recall = (key) => {
    try {
      return JSON.parse(localStorage.getItem(key));
    } catch {
      return null;
    }
  };

  const speak = (language) => {
    document.documentElement.lang = language;
    for (const button of all("[data-language]")) {
      button.setAttribute("aria-pressed", String(button.dataset.language === language));
    }
  };
  const preferred = [recall("aral-language"), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  const language = preferred.find((tag) => LANGUAGES.includes(tag)) || "en";
  speak(language);

  /** Product → number of pieces. */
  const cart = Object(recall("aral-cart"));
  const tenge = (sum) => `${String(sum).replace(/\B(?=(\d{3})+$)/g, "\u00a0")}\u00a0₸`;

  const drawCart = () => {
    let pieces = 0;
    let total = 0;
    for (const row of all("[data-row]")) {
      const amount = Number(cart[row.dataset.row]) || 0;
      row.hidden = amount === 0;
      row.querySelector("output").value = String(amount);
      total += amount * Number(row.dataset.price);
    }
    for (const amount of Object.values(cart)) pieces += Number(amount) || 0;
    for (const badge of all("[data-pieces]")) {
      badge.textContent = String(pieces);
      badge.hidden = pieces === 0;
    }
    for (const sum of all("[data-total]")) sum.textContent = tenge(total);
    for (const part of all("[data-when]")) part.hidden = (part.dataset.when === "empty") !== (pieces === 0);
  };

  const change = (slug, by) => {
    cart[slug] = Math.min(Math.max((Number(cart[slug]) || 0) + by, 0), 99);
    remember("aral-cart", cart);
    drawCart();
  };

  /** Shows one kind of goods, as the address says: /catalog or /catalog/<kind>. */
  const drawFilter = () => {
    const kind = location.pathname.split("/")[2] || "all";
    for (const card of all("[data-kind]")) card.hidden = kind !== "all" && card.dataset.kind !== kind;
    for (const link of all("[data-filter]")) {
      if (link.dataset.filter === kind) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    for (const heading of all("[data-heading]")) heading.hidden = heading.dataset.heading !== kind;
  };

  document.addEventListener("DOMContentLoaded", () => {
    speak(language);
    drawCart();
    if (document.querySelector("[data-filter]")) {
      drawFilter();
      addEventListener("popstate", drawFilter);
    }
    for (const place of all("[data-live]")) drawLive(place);
    if (Object.keys(cart).length) for (const place of all("[data-note]")) drawNote(place);
    for (const place of all("[data-order]")) place.textContent = location.pathname.split("/")[2] || "";
    if (location.pathname === "/thanks" && Object.keys(cart).length) {
      count("order-paid");
      for (const slug of Object.keys(cart)) delete cart[slug];
      remember("aral-cart", cart);
      drawCart();
    }
  });

  /** The shop's experiment: half of the browsers see a note in the cart. Which half, each keeps for itself. */
  const drawNote = (place) => {
    const variant = recall("aral-note") || (Math.random() < 0.5 ? "plain" : "noted");
    remember("aral-note", variant);
    place.hidden = variant === "plain";
    count("cart-note", { variant });
  };

  /** The live count of the demo. */
  const drawLive = async (place) => {
    try {
      const live = await (await fetch("/live")).json();
      place.querySelector("[data-own]").textContent = String(live.own);
      place.querySelector("[data-all]").textContent = String(live.all);
      place.hidden = false;
    } catch {}
    setTimeout(() => drawLive(place), 1000);
  };

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-language],[data-filter],[data-add],[data-by],[data-object]");
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const { language: chosen, filter, add, by, object } = target.dataset;
    if (object !== undefined) {
      window.tamga?.object?.();
      for (const place of all("[data-objected]")) place.hidden = false;
    } else if (chosen) {
      speak(chosen);
      remember("aral-language", chosen);
    } else if (filter) {
      event.preventDefault();
      if (target.pathname !== location.pathname) history.pushState({}, "", target.pathname);
      drawFilter();
    } else if (add) {
      change(add, 1);
      count("cart-add");
    } else {
      change(target.closest("[data-row]").dataset.row, Number(by));
    }
  });

  document.addEventListener("submit", (event) => {
    event.preventDefault();
    count("checkout-done");
    // Six digits of chance; the shop has no orders and needs no better number.
    location.href = `/pay/${100000 + Math.floor(Math.random() * 900000)}`;
  });
})();
