/**
 * The snippet on one screen: permission → what happens on the page → queue → transport.
 *
 * One collector runs per page: a second `start`, from a second tag or from the npm package, returns the first. It works
 * on http and https pages only. In a frame it reports only the calls of the frame's page, because the visitor opened
 * the page around the frame. It reads no form, no text, and no cookie except its own mirror of an objection. It uses
 * storage only if the site asks for it.
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
import { firstReferrer, isPaid, pageUrl, referrerUrl, searchTerm, watchPages } from "./pages.js";
import { createQueue } from "./queue.js";
import { createTransport } from "./transport.js";

/** Events are collected for this long, so that a click which causes three events causes one request. */
const GATHER_MS = 1_000;

/** An event without its time. `add` sets the time, unless the event has one. */
type Untimed = BeaconEvent extends infer Event
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
  /** What the device part has read so far and has not been sent. */
  let device: Device | undefined;
  let timer: ReturnType<typeof setTimeout> | 0 = 0;

  // Sums of whole milliseconds are exact, so the engaged time of a view is never longer than the view.
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
    // No collector has confirmed the objection of an earlier page yet: nothing but the objection may be sent.
    if (allowed === "object") object();
    else begin();
  };

  const view = (template?: string, referrer = page ? referrerUrl(page, site) : firstReferrer(site)) => {
    if (!mayCount()) return;
    reportEngagement();
    enterView();
    page = pageUrl(location.href, hash, template);
    const more = { ...(referrer && { referrer }), ...(isPaid(location.search) && { paid: true }) };
    add({ type: "view", at: 0, url: page, ...(allowed === "full" && more) }, 0);
    const query = searchTerm(options.search);
    // A restored page, or a move with the same words, is not another search.
    if (query && query !== searched) report({ type: "search", query }, 0);
    searched = query;
  };

  const event = (name: string, details?: { variant?: string }) => {
    const variant = details?.variant;
    // Numbers and `undefined` also match the pattern, but the wire carries strings.
    if (NAME.test(name) && NAME.test(variant as string))
      report({ type: "event", name: `${name}`, variant: variant && `${variant}` });
  };

  const consent = (state: ConsentState) => {
    if (state === "granted") {
      if (allowed === "wait") {
        allowed = granted();
        begin();
      }
      // Consent banners repeat an old "granted" on every page. It must not undo an objection.
      report({ type: "consent", state }, 0);
    } else if (state === "denied" && allowed[0] !== "o") {
      queue._clear();
      // With Global Privacy Control it is not sent: that allows only the bare view, which takes the cookie back too.
      // Before any consent it is sent: a consent of an earlier day may have left a cookie, which no page can see.
      if (allowed !== "count") add({ type: "consent", state }, 0);
      // The visitor may still grant it on this page. Without an objection there is no mirror, so the next page asks
      // again.
      allowed = "wait";
    }
  };

  /** Sent even if nothing may be counted: to object is the visitor's right, not a measurement. */
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
      // A restored page is a new view. Its old referrer did not bring the visitor this time.
      whenHidden(hide, resume, () => auto && view(undefined, ""));
      // `_pump` takes nothing from storage: a page that is being left would take it along.
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

  /** Tries again to send what waits. */
  const resume = () => {
    if (allowed === "full") queue._unpark();
    transport._pump();
  };

  /** Counts nothing more, and forgets what has not left the page. */
  const stop = () => {
    allowed = "off";
    queue._clear();
  };

  /** Loads the device part, which lies beside the beacon's route, when the page is idle. */
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
        // Blocked by the page's policy, or not there: the device stays unknown, and nothing is reported.
        .catch(() => {}),
    );
  };

  /** Sends the device part once. If the page is left before everything is read, the rest is sent as absent. */
  const sealDevice = () => {
    if (allowed === "full" && device) queue._seal(device);
    device = undefined;
  };

  const enterView = () => {
    queue._begin(randomId());
    // The view begins before its clock does, so that its engaged time is never longer than the view.
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

  const report = (event: Untimed, delay?: number) => {
    if (allowed === "full") add(event, delay);
  };

  const add = (event: Untimed, delay = GATHER_MS) => {
    // There may be no view yet: for an objection before consent, or an event before the first manual view.
    if (!began) enterView();
    queue._add({ at: milliseconds(now() - began), ...event } as BeaconEvent);
    // The earliest time is kept, so that a stream of events cannot delay sending for ever.
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
 * Starts counting this page and returns what the page may call. Never throws. If there is no window, or the page is not
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
        // Each call is guarded alone, so that one bad call does not stop the next.
        calls.forEach(guard(([name, ...args]: Call) => call(name)(...args)));
      },
    },
  };
  guard(() => {
    if (!host || !/^http/.test(location.protocol)) return;
    const early = host.tamga?.q;
    running = collector(options);
    host.tamga = tamga;
    // Calls that the page made before the script arrived.
    tamga.q.push(...((early as Call[]) ?? []));
  })();
  return tamga;
}
