/**
 * The snippet on one screen: permission → what happens on the page → queue → transport.
 *
 * One runs per page: a second `start`, from a second tag or from the npm package, returns the first. Works on http and
 * https pages only; in a frame it reports only what the frame's page reports by itself, since the page around it is the one
 * that was opened. Reads no form, no text, no cookie but its own mirror of an objection, and no storage unless the
 * site asks it to.
 */
import { type BeaconEvent, type ConsentState, type Device, milliseconds, NAME } from "./beacon.js";
import type { Call, Options, Tamga } from "./config.js";
import { granted, mirrorObjection, type Permission, permission } from "./consent.js";
import { createClock, watchEngagement } from "./engagement.js";
import { watchErrors } from "./errors.js";
import { watchExits } from "./exits.js";
import { firstTurn } from "./lib/first-turn.js";
import { guard } from "./lib/guard.js";
import { on } from "./lib/on.js";
import { randomId } from "./lib/random-id.js";
import { whenActivated } from "./lib/when-activated.js";
import { whenHidden } from "./lib/when-hidden.js";
import { firstReferrer, pageUrl, referrerUrl, searchTerm, watchPages } from "./pages.js";
import { createQueue } from "./queue.js";
import { createTransport } from "./transport.js";

/** Events are gathered this long, so that a click which causes three of them causes one request. */
const GATHER_MS = 1_000;

/** An event as it happens: when that was, from the beginning of its view, is added when it is told. */
type Told = BeaconEvent extends infer Event
  ? Event extends BeaconEvent
    ? Omit<Event, "at"> & { at?: number }
    : never
  : never;

/** Closures rather than a class, because they are shorter when minified. */
function collector(options: Options) {
  const { site, endpoint, hash } = options;
  const auto = options.views !== "manual" && top === window;
  let allowed: Permission = "wait";
  let watching = false;
  let page: string | undefined;
  let began = 0;
  let engaged = 0;
  let searched = "";
  let asked = false;
  /** What the device part has read so far, until it is told. */
  let device: Device | undefined;
  let timer: ReturnType<typeof setTimeout> | 0 = 0;

  // Whole milliseconds, whose sums are exact: no view has engaged more time than has passed.
  const now = () => Math.floor(performance.now());
  const mayCount = () => allowed === "full" || allowed === "count";

  const queue = createQueue(site, now, options.offline);
  const transport = createTransport(
    endpoint,
    queue,
    firstTurn(),
    guard((headers: Headers) => {
      if (headers.get("Tamga-Outcome") === "off") {
        mirrorObjection(true);
        stop();
      }
      const items = headers.get("Tamga-Device");
      if (items && !asked && allowed === "full") readDevice(items);
    }),
  );
  const clock = createClock(now, () => reportEngagement());

  const open = () => {
    allowed = permission(options.consent === "wait");
    // The objection of an earlier page that no collector has confirmed: it is all that may be sent.
    if (allowed === "object") object();
    else begin();
  };

  const view = (template?: string, referrer = page ? referrerUrl(page, site) : firstReferrer(site)) => {
    if (!mayCount()) return;
    reportEngagement();
    enterView();
    page = pageUrl(location.href, hash, template);
    add({ type: "view", at: 0, url: page, ...(allowed === "full" && referrer && { referrer }) }, 0);
    const query = searchTerm(options.search);
    // A page that is restored, or moves with the same words, is no other search.
    if (query && query !== searched) report({ type: "search", query }, 0);
    searched = query;
  };

  const event = (name: string, details?: { variant?: string }) => {
    const variant = details?.variant;
    // Numbers and the like match too, `undefined` among them, but the wire carries strings.
    if (NAME.test(name) && NAME.test(variant as string))
      report({ type: "event", name: `${name}`, variant: variant && `${variant}` });
  };

  const consent = (state: ConsentState) => {
    const told: Told = { type: "consent", state };
    if (state === "granted") {
      if (allowed === "wait") {
        allowed = granted();
        begin();
      }
      // Consent banners repeat an old "granted" on every page, and it must not undo an objection.
      report(told, 0);
    } else if (state === "denied" && mayCount()) {
      // Where nothing may be sent, telling the collector of a refusal would be the first contact.
      const full = allowed === "full";
      stop();
      // May be granted again on this page. Without an objection there is no mirror, so the next page asks anew.
      allowed = "wait";
      if (full) add(told, 0);
    }
  };

  /** Told even if nothing may be counted: this is the visitor's right, not a measurement. */
  const object = () => {
    mirrorObjection(false);
    stop();
    add({ type: "object" }, 0);
  };

  const begin = () => {
    if (!mayCount()) return;
    if (!watching) {
      watching = true;
      if (auto) watchPages(hash, () => view());
      // A restored page is a new view; the referrer of the old one brought nobody this time.
      whenHidden(hide, resume, () => auto && view(undefined, ""));
      // Without taking from storage: a page that is on its way out would carry it along.
      on("online", transport._pump);
      watchEngagement(clock);
      watchExits(site, (url) => report({ type: "exit", url }));
      if (options.errors) watchErrors((message) => report({ type: "error", message }));
      if (!auto) enterView();
    }
    if (auto) view();
    resume();
  };

  const hide = () => {
    clock._set(false);
    reportEngagement();
    sealDevice();
    queue._seal();
    transport._hide();
    queue._park();
  };

  /** What waits may have a way again. */
  const resume = () => {
    if (allowed === "full") queue._unpark();
    transport._pump();
  };

  /** Nothing more is counted, and what has not left the page is forgotten. */
  const stop = () => {
    allowed = "off";
    queue._clear();
  };

  /** Loads the device part from beside the beacon's route, but not before the page has nothing better to do. */
  const readDevice = (items: string) => {
    asked = true;
    const url = new URL("../tamga-device.js", endpoint) as unknown as string;
    (window.requestIdleCallback ?? setTimeout)(() =>
      import(/* webpackIgnore: true */ /* @vite-ignore */ url)
        .then((part: typeof import("./device.js")) => {
          device = {};
          return part.collect(items, device);
        })
        .then(() => {
          sealDevice();
          transport._pump();
        })
        // Blocked by the page's policy, or not there: nothing is known of the device, and nobody is told.
        .catch(() => {}),
    );
  };

  /** Once. If the page is left before all is read, the rest is told as absent. */
  const sealDevice = () => {
    if (allowed === "full" && device) queue._seal(device);
    device = undefined;
  };

  const enterView = () => {
    queue._begin(randomId());
    // Before the clock is, for the same reason.
    began = now();
    clock._restart();
    engaged = 0;
  };

  const reportEngagement = () => {
    const engaged_ms = clock._read();
    if (page && engaged_ms > engaged) {
      engaged = engaged_ms;
      report({ type: "engage", engaged_ms });
    }
  };

  const report = (event: Told, delay?: number) => {
    if (allowed === "full") add(event, delay);
  };

  const add = (event: Told, delay = GATHER_MS) => {
    // Without a view yet: an objection before consent, or an event before the first manual view.
    if (!began) enterView();
    queue._add({ at: milliseconds(now() - began), ...event } as BeaconEvent);
    // The earliest wish stands, so that a stream of events cannot postpone sending for ever.
    if (delay && timer) return;
    clearTimeout(timer);
    timer = setTimeout(
      guard(() => {
        timer = 0;
        queue._seal();
        transport._pump();
      }),
      delay,
    );
  };

  whenActivated(open);
  return { view: (template?: string) => view(template), event, consent, object };
}

/**
 * Starts counting this page and returns what the page may call. Never throws. Where there is no window, or the page is not
 * http(s), the returned methods do nothing.
 */
export function start(options: Options): Tamga {
  const host = globalThis.window as { tamga?: Partial<Tamga> & { q?: unknown } } | undefined;
  if (host?.tamga?.view) return host.tamga as Tamga;

  let running: ReturnType<typeof collector> | undefined;
  const call = (name: Call[0]) =>
    guard((...args: unknown[]) =>
      whenActivated(() => (running as Record<string, (...args: unknown[]) => void>)[name]?.(...args)),
    );
  const tamga: Tamga = {
    view: call("view"),
    event: call("event"),
    consent: call("consent"),
    object: call("object"),
    q: {
      push(...calls: Call[]) {
        // One by one, so that nonsense in one call does not cost the next.
        calls.forEach(guard(([name, ...args]: Call) => call(name)(...args)));
      },
    },
  };
  guard(() => {
    if (!host || !/^http/.test(location.protocol)) return;
    const early = host.tamga?.q;
    running = collector(options);
    host.tamga = tamga;
    // Calls the page made before the script had arrived.
    tamga.q.push(...((early as Call[]) ?? []));
  })();
  return tamga;
}
