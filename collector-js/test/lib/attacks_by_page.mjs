/**
 * Attacks by elements, windows, workers and what the browser itself remembers. Each function is sent to the page as its
 * source, so it knows nothing but what it is given.
 */

/** @type {import("./attack.js").Attack[]} */
export const BY_PAGE = [
  [
    "server timing and sizes of all resources",
    () =>
      JSON.stringify(
        performance
          .getEntriesByType("resource")
          .map((entry) => [entry.toJSON(), /** @type {any} */ (entry).serverTiming]),
      ),
  ],
  [
    "frames of every route",
    async ({ collector, paths }) => {
      const out = [];
      for (const path of paths) {
        const frame = document.createElement("iframe");
        frame.src = collector + path;
        document.body.append(frame);
        await new Promise((done) => {
          frame.onload = done;
          setTimeout(done, 150);
        });
        try {
          const inner = frame.contentDocument ?? frame.contentWindow?.document;
          out.push(inner?.cookie, inner?.documentElement.outerHTML);
        } catch (error) {
          out.push(String(error));
        }
        frame.remove();
      }
      return out;
    },
  ],
  [
    "a frame with a relaxed domain",
    async ({ collector, domain }) => {
      try {
        document.domain = domain;
      } catch {
        // Refused: the frame is tried all the same.
      }
      const frame = document.createElement("iframe");
      frame.src = `${collector}/nothing-here`;
      document.body.append(frame);
      await new Promise((done) => {
        frame.onload = done;
      });
      return frame.contentWindow?.document.cookie;
    },
  ],
  [
    "a sandboxed frame and its words",
    ({ collector, body }) =>
      new Promise((resolve) => {
        window.addEventListener("message", (event) => resolve(event.data));
        const frame = document.createElement("iframe");
        frame.setAttribute("sandbox", "allow-scripts");
        frame.srcdoc = `<script>fetch("${collector}/v1/beacon",{method:"POST",credentials:"include",body:${JSON.stringify(body)}}).then(async r=>parent.postMessage([[...r.headers],await r.text()],"*"),e=>parent.postMessage(String(e),"*"))</script>`;
        document.body.append(frame);
      }),
  ],
  [
    "a window of the collector",
    async ({ collector }) => {
      const other = window.open(`${collector}/nothing-here`);
      await new Promise((later) => setTimeout(later, 500));
      try {
        return [other?.document.cookie, other?.name, other?.location.href];
      } finally {
        other?.close();
      }
    },
  ],
  [
    "window.name after the collector's page",
    async ({ collector, site }) => {
      const frame = document.createElement("iframe");
      frame.src = `${collector}/nothing-here`;
      document.body.append(frame);
      await new Promise((done) => {
        frame.onload = done;
      });
      frame.src = `${site}/back`;
      await new Promise((done) => {
        frame.onload = done;
      });
      return [frame.contentWindow?.name, frame.contentDocument?.referrer, frame.contentDocument?.cookie];
    },
  ],
  [
    "a form sent into a frame",
    async ({ collector }) => {
      const frame = document.createElement("iframe");
      frame.name = "sink";
      const form = document.createElement("form");
      Object.assign(form, {
        method: "POST",
        action: `${collector}/v1/beacon`,
        target: "sink",
        enctype: "text/plain",
      });
      document.body.append(frame, form);
      form.submit();
      await new Promise((later) => setTimeout(later, 500));
      return frame.contentDocument?.documentElement.outerHTML;
    },
  ],
  [
    "a worker",
    (given) =>
      new Promise((resolve) => {
        const worker = new Worker("/worker.js");
        worker.onmessage = (event) => resolve(event.data);
        worker.postMessage(given);
      }),
  ],
  [
    "a shared worker",
    (given) =>
      new Promise((resolve) => {
        const worker = new SharedWorker("/shared.js");
        worker.port.onmessage = (event) => resolve(event.data);
        worker.port.postMessage(given);
      }),
  ],
  [
    "a service worker between page and collector",
    async ({ collector, body }) => {
      await navigator.serviceWorker.register("/sw.js");
      await navigator.serviceWorker.ready;
      /** @type {unknown[]} */
      const seen = [];
      navigator.serviceWorker.onmessage = (event) => seen.push(event.data);
      await new Promise((later) => setTimeout(later, 300));
      await fetch(`${collector}/v1/beacon`, { method: "POST", credentials: "include", body }).catch(String);
      await fetch(`${collector}/v1/count.gif`, { mode: "no-cors", credentials: "include" }).catch(String);
      await new Promise((later) => setTimeout(later, 300));
      for (const registration of await navigator.serviceWorker.getRegistrations())
        await registration.unregister();
      if (!seen.length) throw new Error("the service worker saw no request");
      return seen;
    },
  ],
  [
    "a redirect over the site's server",
    async ({ body }) => {
      const answer = await fetch("/redirect", { method: "POST", credentials: "include", body });
      return [answer.url, answer.redirected, [...answer.headers], await answer.text()];
    },
  ],
  [
    "a redirect that the collector could be talked into",
    async ({ collector, site }) => {
      const out = [];
      for (const name of ["next", "url", "redirect", "return", "callback"]) {
        const answer = await fetch(`${collector}/v1/beacon?${name}=${site}/caught`, {
          credentials: "include",
          redirect: "manual",
        }).catch(String);
        out.push(typeof answer === "string" ? answer : [answer.type, answer.url, [...answer.headers]]);
      }
      return out;
    },
  ],
  [
    "the Cache API",
    async ({ collector, paths }) => {
      const cache = await caches.open("attack");
      const out = [];
      for (const path of paths) {
        await cache.add(new Request(collector + path, { credentials: "include" })).catch(String);
        await cache
          .put(path, await fetch(collector + path, { mode: "no-cors", credentials: "include" }))
          .catch((error) => out.push(String(error)));
      }
      for (const request of await cache.keys()) {
        const answer = await cache.match(request);
        out.push([...request.headers], [...(answer?.headers ?? [])], await answer?.text());
      }
      return out;
    },
  ],
  [
    "the browser's cache and its validators",
    async ({ collector }) => {
      const out = [];
      for (const cache of /** @type {const} */ (["force-cache", "no-cache", "reload"])) {
        const answer = await fetch(`${collector}/tamga.js`, { cache }).catch(String);
        out.push(typeof answer === "string" ? answer : [[...answer.headers], answer.headers.get("etag")]);
      }
      return out;
    },
  ],
  [
    "scripts of every route",
    async ({ collector, paths }) => {
      const before = new Set(Object.keys(window));
      /** @type {string[]} */
      const errors = [];
      window.onerror = (...what) => void errors.push(what.slice(0, 4).join(" "));
      for (const path of paths) {
        const script = document.createElement("script");
        script.src = collector + path;
        document.head.append(script);
        await new Promise((done) => {
          script.onload = script.onerror = done;
        });
      }
      const globals = Object.keys(window).filter((name) => !before.has(name));
      return [errors, globals.map((name) => String(/** @type {any} */ (window)[name]))];
    },
  ],
  [
    "modules of every route",
    async ({ collector, paths }) => {
      const out = [];
      for (const path of paths) {
        out.push(await import(collector + path).then((module) => JSON.stringify(module), String));
      }
      return out;
    },
  ],
  [
    "style sheets of every route",
    async ({ collector, paths }) => {
      const out = [];
      for (const path of paths) {
        const link = Object.assign(document.createElement("link"), {
          rel: "stylesheet",
          href: collector + path,
        });
        document.head.append(link);
        await new Promise((done) => {
          link.onload = link.onerror = done;
        });
        try {
          out.push([...(link.sheet?.cssRules ?? [])].map((rule) => rule.cssText));
        } catch (error) {
          out.push(String(error));
        }
      }
      return out;
    },
  ],
  [
    "the picture's pixels",
    async ({ collector, paths }) => {
      const out = [];
      for (const crossOrigin of ["use-credentials", "anonymous", null]) {
        const image = new Image();
        image.crossOrigin = crossOrigin;
        image.src = collector + paths[3];
        await new Promise((done) => {
          image.onload = image.onerror = done;
        });
        const canvas = document.createElement("canvas").getContext("2d");
        try {
          canvas?.drawImage(image, 0, 0);
          out.push([image.width, image.height, [...(canvas?.getImageData(0, 0, 1, 1).data ?? [])]]);
        } catch (error) {
          out.push(String(error));
        }
      }
      return out;
    },
  ],
  [
    "objects and embeds",
    async ({ collector }) => {
      const out = [];
      for (const kind of /** @type {const} */ (["object", "embed"])) {
        const element = document.createElement(kind);
        element.setAttribute(kind === "object" ? "data" : "src", `${collector}/tamga.js`);
        document.body.append(element);
        await new Promise((later) => setTimeout(later, 300));
        try {
          out.push(/** @type {any} */ (element).getSVGDocument?.()?.documentElement.outerHTML);
          out.push(/** @type {any} */ (element).contentDocument?.documentElement.outerHTML);
        } catch (error) {
          out.push(String(error));
        }
      }
      return out;
    },
  ],
  [
    "EventSource",
    ({ collector }) =>
      new Promise((resolve) => {
        const source = new EventSource(`${collector}/v1/beacon`, { withCredentials: true });
        source.onmessage = (event) => resolve(event.data);
        source.onerror = () => {
          source.close();
          resolve(source.readyState);
        };
      }),
  ],
  [
    "WebSocket",
    ({ collector }) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${collector.replace("http", "ws")}/v1/beacon`);
        socket.onmessage = (event) => resolve(event.data);
        socket.onclose = (event) => resolve([event.code, event.reason, socket.protocol]);
      }),
  ],
  [
    "prefetch and preload",
    async ({ collector, paths }) => {
      for (const rel of ["prefetch", "preload", "preconnect"]) {
        const href = collector + paths[3];
        document.head.append(Object.assign(document.createElement("link"), { rel, href, as: "image" }));
      }
      await new Promise((later) => setTimeout(later, 300));
      return JSON.stringify(performance.getEntries());
    },
  ],
  [
    "reports of a policy",
    async ({ collector }) => {
      /** @type {unknown[]} */
      const seen = [];
      document.addEventListener("securitypolicyviolation", (event) =>
        seen.push([event.blockedURI, event.sample]),
      );
      const policy = Object.assign(document.createElement("meta"), { httpEquiv: "Content-Security-Policy" });
      policy.content = `connect-src 'none'; img-src 'none'`;
      document.head.append(policy);
      await fetch(`${collector}/v1/beacon`, { credentials: "include" }).catch(String);
      new Image().src = `${collector}/v1/count.gif`;
      await new Promise((later) => setTimeout(later, 300));
      return seen;
    },
  ],
  [
    "a cookie of the same name for the whole domain",
    async ({ collector, domain, body }) => {
      // biome-ignore lint/suspicious/noDocumentCookie: an attacker uses every way.
      document.cookie = `tamga-${domain}=AAAA; Domain=${domain}; Path=/v1`;
      const answer = await fetch(`${collector}/v1/beacon`, { method: "POST", credentials: "include", body });
      const seen = [[...answer.headers], await answer.text(), document.cookie];
      // biome-ignore lint/suspicious/noDocumentCookie: and tidies up.
      document.cookie = `tamga-${domain}=; Domain=${domain}; Path=/v1; Max-Age=0`;
      return seen;
    },
  ],
  [
    "everything the snippet left in the page",
    async () => {
      const { tamga } = /** @type {any} */ (window);
      const names = tamga ? Object.getOwnPropertyNames(tamga) : [];
      const databases = await indexedDB.databases();
      return [
        names.map((name) => [name, String(tamga[name]), JSON.stringify(tamga[name])]),
        JSON.stringify([{ ...localStorage }, { ...sessionStorage }, databases, history.state, window.name]),
        document.documentElement.outerHTML,
        document.cookie,
      ];
    },
  ],
];
