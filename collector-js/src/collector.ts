/**
 * The snippet on one screen: permission → what happens on the page → queue → transport.
 *
 * One collector runs per page: a second `start`, from a second tag or from the npm package, returns the first. It works
 * on http and https pages only. In a frame it reports only the calls of the frame's page, because the visitor opened
 * the page around the frame. It reads no form, no text, and no cookie except its own mirror of an objection. It uses
 * storage only if the site asks for it.
 */
import {
  type BeaconEvent,
  type ConsentState,
  type Device,
  milliseconds,
  NAME,
  type ViewEvent,
} from "./beacon.js";
import type { Call, Details, Options, Tamga } from "./config.js";
import { granted, mirrorObjection, type Permission, permission } from "./consent.js";
import { createClock, watchEngagement } from "./engagement.js";
import { watchClicks } from "./exits.js";
import { firstTurn } from "./lib/first-turn.js";
import { guard } from "./lib/guard.js";
import { now } from "./lib/now.js";
import { on } from "./lib/on.js";
import { parse } from "./lib/parse.js";
import { randomId } from "./lib/random-id.js";
import { whenActivated } from "./lib/when-activated.js";
import { whenHidden } from "./lib/when-hidden.js";
import { firstReferrer, isPaid, pageUrl, referrerUrl, watchPages } from "./pages.js";
import { createQueue } from "./queue.js";
import { createTransport } from "./transport.js";

/** Events are collected for this long, so that a click which causes three events causes one request. */
const GATHER_MS = 1_000;
/**
 * A view waits for this long, because applications correct an address and redirect by script right after they begin. The
 * view is then of the page where that ends.
 */
const REDIRECT_MS = 300;

/** An event without its time. `add` sets the time, unless the event has one. */
type Untimed = BeaconEvent extends infer Event
  ? Event extends BeaconEvent
    ? Omit<Event, "at"> & { at?: number }
    : never
  : never;

/** Closures rather than a class, because they are shorter when minified. */
function collector(options: Options, tamga: Tamga) {
  const { site, endpoint, hash } = options;
  const isTop = top === window;
  const auto = options.views !== "manual" && isTop;
  let allowed: Permission = "wait";
  let watching = false;
  let last: ViewEvent | undefined;
  /** The template of a view that the page named before the visitor's consent. */
  let named: string | undefined;
  /** The visitor has clicked since the view began. */
  let clicked = false;
  /** The page has dropped its view. */
  let dropped = false;
  let began = -1;
  let engaged = 0;
  let asked = false;
  /** What the device part has read so far and has not been sent. */
  let device: Device | undefined;
  let timer: ReturnType<typeof setTimeout> | 0 = 0;

  /** Asks the page about an event, if it wants to be asked. What the visitor decides is not the page's to change. */
  const keep = (event: Record<string, unknown>) => {
    const { beforeSend } = tamga;
    // `consent` and `object`.
    if (!beforeSend || /^[co]/.test(event.type as string)) return true;
    const kept = (!dropped && guard(beforeSend)({ ...event } as never)) as typeof event | undefined;
    if (event.type === "view") dropped = !kept;
    for (const name in event) if (kept?.[name] !== event[name]) delete event[name];
    return kept;
  };

  const queue = createQueue(site, now, keep as unknown as (event: BeaconEvent) => unknown);
  const transport = createTransport(endpoint, queue, firstTurn(), (headers: Headers) => {
    if (headers.get("Tamga-Outcome") === "off") {
      mirrorObjection(true);
      silence();
    }
    const items = headers.get("Tamga-Device");
    if (items && !asked && allowed === "full") readDevice(items);
  });
  const clock = createClock(now, () => reportEngagement());

  const open = () => {
    allowed = permission(options.consent === "wait");
    // No collector has confirmed the objection of an earlier page yet: nothing but the objection may be sent.
    if (allowed === "object") object();
    else begin();
  };

  const view = (template?: string, referrer = last ? referrerUrl(last.url, site) : firstReferrer(site)) => {
    if (!/u/.test(allowed)) {
      named = template ?? "";
      return;
    }
    named = undefined;
    reportEngagement();
    enterView();
    last = add<ViewEvent>(
      {
        type: "view",
        at: 0,
        url: pageUrl(location.href, hash, template),
        ...(allowed === "full" && {
          referrer: referrer || undefined,
          paid: isPaid(location.search) || undefined,
        }),
      },
      REDIRECT_MS,
    );
  };

  /** The application has changed the address. */
  const move = (isNew: boolean, kind: string) => {
    // Nobody clicks so soon, and nobody has seen the page: the application redirects.
    if (queue._holds(last) && !clicked && /^[pr]/.test(kind)) {
      const next = pageUrl(location.href, hash);
      // The campaign is the visit's, also if the redirect forgets it.
      last.url = /\?/.test(next) ? next : next + last.url.replace(/^[^?]*/, "");
    } else if (isNew) view();
  };

  const event = (name: string, { variant, callback }: Details = {}) => {
    // Only strings have it. Numbers and `undefined` also match the pattern.
    if ((name as { trim?: unknown }).trim && NAME.test(name) && NAME.test(variant as string))
      report({ type: "event", name, variant: variant && `${variant}` }, callback && 0);
    // After the event is sealed: timers of equal length keep their order.
    if (callback) setTimeout(() => transport._pump().then(guard(callback)));
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
      // What was not sent may be counted again.
      if (queue._holds(last)) last = undefined;
      forget();
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
    silence();
    add({ type: "object" }, 0);
  };

  const begin = () => {
    // `full` or `count`: no other permission has this letter. It stands here twice because that is shorter.
    if (!/u/.test(allowed)) return;
    // The first comes before anything that a page may have broken. A consent that comes again is no other view.
    if (named !== undefined || (auto && !last)) view(named);
    if (!watching) {
      watching = true;
      if (began < 0) enterView();
      whenHidden(hide, transport._pump, restore);
      // `_pump` takes nothing from storage: a page that is being left would take it along.
      on("online", transport._pump);
      watchEngagement(clock);
      if (isTop)
        watchClicks(site, report, () => {
          clicked = true;
        });
      if (auto) guard(watchPages)(hash, move);
      // By a part of each option's name, which no other attribute of a tag has.
      if (allowed === "full" && /off|ors|sea|eve|dow|rms|mis/.test(`${Object.keys(options)}`)) {
        load("extras", ({ extend }: typeof import("./extras.js")) =>
          extend(options, event, report, queue._waiting, queue._remove, queue._put, transport._pump, hide),
        );
      }
    }
    transport._pump();
  };

  /** A restored page is a new view. Its old referrer did not bring the visitor this time, and the old view is over. */
  const restore = () => {
    engaged = Number.POSITIVE_INFINITY;
    if (auto) view("", "");
  };

  const hide = () => {
    clock._set(false);
    reportEngagement();
    sealDevice();
    queue._seal();
    // What is tried without a network now cannot be kept for the next page.
    if (!options.offline || navigator.onLine) transport._hide();
  };

  /** Counts nothing more, and forgets what has not left the page. */
  const silence = () => {
    allowed = "off";
    forget();
  };

  const forget = () => {
    // Likewise.
    device = queue._clear() as undefined;
    if (options.offline) guard(() => delete localStorage.tamga)();
  };

  const stop = () => {
    hide();
    allowed = "off";
  };

  /**
   * Loads a part of the snippet, which lies beside the beacon's route. If the page's policy blocks it or it is not there,
   * what it does is left out, and nothing is reported. The route may be relative to the page, but not to this script.
   */
  const load = (part: string, run: (part: never) => unknown) =>
    import(/* webpackIgnore: true */ /* @vite-ignore */ parse(`${endpoint}/../../tamga-${part}.js`).href)
      .then(run as (part: unknown) => unknown)
      .catch(() => {});

  const readDevice = (items: string) => {
    asked = true;
    load("device", async (part: typeof import("./device.js")) => {
      device = {};
      await part.collect(items, device);
      sealDevice();
      transport._pump();
    });
  };

  /** Sends the device part once. If the page is left before everything is read, the rest is sent as absent. */
  const sealDevice = () => {
    // Which returns nothing.
    if (device) device = queue._seal(device) as undefined;
  };

  const enterView = () => {
    queue._begin(randomId());
    // The view begins before its clock does, so that its engaged time is never longer than the view.
    began = now();
    clicked = dropped = false;
    clock._restart();
    engaged = 0;
  };

  const reportEngagement = () => {
    const engaged_ms = clock._read();
    if (last && engaged_ms > engaged) {
      engaged = engaged_ms;
      report({ type: "engage", engaged_ms });
    }
  };

  const report = (event: Untimed, delay?: number) => {
    if (allowed === "full") add(event, delay);
  };

  const add = <E extends BeaconEvent>(untimed: Untimed, delay = GATHER_MS) => {
    // There may be no view yet: for an objection before consent, or an event before the first manual view.
    if (began < 0) enterView();
    const event = { __proto__: null, at: milliseconds(now() - began), ...untimed } as unknown as E;
    queue._add(event);
    // The earliest time is kept, so that a stream of events cannot delay sending for ever.
    if (delay && timer) return event;
    clearTimeout(timer);
    timer = setTimeout(
      guard(() => {
        timer = 0;
        queue._seal();
        transport._pump();
      }),
      delay,
    );
    return event;
  };

  whenActivated(open);
  return {
    view: (template?: string) => view(template),
    event,
    consent,
    object,
    stop,
    _state: () => allowed,
  };
}

type Running = ReturnType<typeof collector>;

/**
 * Starts counting this page and returns what the page may call. Never throws. If there is no window, or the page is not
 * http(s), the returned methods do nothing.
 */
export function start(given: Options): Tamga {
  // Options that a page gave all objects are none of its tag.
  const options = { __proto__: null, ...given } as Options;
  const before = (globalThis.window as { tamga?: Tamga } | undefined)?.tamga;
  // A page's own lines have all methods, and no state. An element of the page may be called `tamga`, with fields.
  if (before?.state?.trim) return before;
  const early = before?.q as Call[] | undefined;

  let running: Running | undefined;
  const tamga = {
    // What a page gave all objects is not its word.
    __proto__: null,
    beforeSend: options.beforeSend,
    // What the page's own lines have caught.
    ...before,
    stop: guard(() => {
      // Which returns nothing.
      running = running?.stop() as undefined;
      delete window.tamga;
    }),
    get state() {
      return running?._state();
    },
    q: {
      push(...calls: Call[]) {
        // Each call is guarded alone, so that one bad call does not stop the next.
        calls.forEach(
          guard(([name, ...args]: Call) => (tamga[name] as (...all: unknown[]) => void)(...args)),
        );
      },
    },
  } as unknown as Tamga;
  for (const name of ["view", "event", "consent", "object"] as const)
    tamga[name] = guard((...args: unknown[]) =>
      whenActivated(() =>
        (running as unknown as Record<string, (...args: unknown[]) => void>)[name]?.(...args),
      ),
    );
  guard(() => {
    // Where there is no page this fails, and nothing runs.
    if (!/^http/.test(location.protocol)) return;
    running = collector(options, tamga);
    window.tamga = tamga;
    // Calls that the page made before the script arrived.
    if (early?.push) tamga.q.push(...early);
  })();
  return tamga;
}
