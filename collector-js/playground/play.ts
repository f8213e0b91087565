/** The playground's page: buttons for the actions of a visitor and a page, the beacons as received, and the signals. */
import { start } from "../src/collector.js";
import { SIGNALS, settle } from "../src/device.js";
import { idle } from "../src/lib/idle.js";

const at = (id: string) => document.getElementById(id) as HTMLElement;
function add<Name extends keyof HTMLElementTagNameMap>(to: Element, name: Name, text = "", className = "") {
  const element = document.createElement(name);
  element.textContent = text;
  element.className = className;
  to.append(element);
  return element;
}

const watch = new EventSource("/beacons");
watch.onmessage = ({ data }) => {
  const { beacon, errors } = JSON.parse(data) as { beacon: string; errors: string[] };
  const shown = document.createElement("pre");
  const time = new Date().toLocaleTimeString();
  shown.textContent = `${[`${time}, ${beacon.length} characters`, ...errors].join("\n")}\n${JSON.stringify(JSON.parse(beacon), null, 1)}`;
  if (errors.length) shown.className = "wrong";
  at("beacons").prepend(shown);
};

// The snippet starts when the stand-in is ready, so that the first view is also shown.
watch.addEventListener(
  "open",
  () => {
    const tamga = start({
      site: "play.localhost",
      endpoint: `http://t.play.localhost:${location.port}/v1/beacon`,
      search: ["q"],
      errors: true,
      offline: true,
    });
    let moves = 0;
    const protection = document.createElement("script");
    protection.src = `http://t.play.localhost:${location.port}/tamga-ports.js`;
    protection.dataset.site = "play.localhost";
    protection.dataset.ports = "";
    document.head.append(protection);
    const actions: Record<string, () => void> = {
      "move on": () => history.pushState({}, "", `/page/${++moves}?utm_source=play&secret=1`),
      search: () => history.pushState({}, "", `/find?q=tea ${++moves}`),
      event: () => tamga.event("button", { variant: "b" }),
      "a hundred events": () => Array.from({ length: 100 }, (_, index) => tamga.event(`event.${index}`)),
      "fail once": () =>
        setTimeout(() => {
          throw new TypeError(`button ${++moves} is undefined`);
        }),
      "reject once": () => void Promise.reject(new Error(`promise ${++moves} was broken`)),
      "go elsewhere": () => {
        const link = Object.assign(document.createElement("a"), {
          href: "https://elsewhere.localhost/order/7",
        });
        link.addEventListener("click", (event) => event.preventDefault());
        document.body.append(link);
        link.click();
        link.remove();
      },
      consent: () => tamga.consent("granted"),
      refuse: () => tamga.consent("denied"),
      object: () => tamga.object(),
      // Whatever comes is shown as the call that was sent.
      protect: () =>
        void tamga.protect?.(`a-nonce-of-the-page-${++moves}`, { consent: true }).catch(() => {}),
      reload: () => location.reload(),
    };
    for (const [name, act] of Object.entries(actions)) {
      add(at("buttons"), "button", name).addEventListener("click", act);
      at("buttons").append(" ");
    }
  },
  { once: true },
);

for (const [item, name, read] of SIGNALS) {
  const row = add(at("signals"), "tr");
  add(row, "td", `${item} ${name}`);
  const cell = add(row, "td", "…");
  const time = add(row, "td");
  await idle();
  const began = performance.now();
  const value = await settle(read);
  time.textContent = (performance.now() - began).toFixed(1);
  cell.textContent = JSON.stringify(value, null, 1);
  if (Object(value).absent) cell.className = "absent";
}
