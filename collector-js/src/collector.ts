/**
 * The snippet on one screen: permission → what happens on the page → queue → transport.
 *
 * One runs per page: a second `start`, from a second tag or from the npm package, returns the first. Works on http and
 * https pages only. Reads no form, no text, no storage, no cookie but its own mirror of an objection.
 */
import { type BeaconEvent, type ConsentState, MAX_MS, NAME } from "./beacon.js";
import type { Call, Options, Tamga } from "./config.js";
import { granted, mirrorObjection, type Permission, permission } from "./consent.js";
import { EngagementClock, watchEngagement } from "./engagement.js";
import { watchExits } from "./exits.js";
import { firstTurn } from "./lib/first-turn.js";
import { guard } from "./lib/guard.js";
import { randomId } from "./lib/random-id.js";
import { whenActivated } from "./lib/when-activated.js";
import { whenHidden } from "./lib/when-hidden.js";
import { firstReferrer, pageUrl, referrerUrl, watchPages } from "./pages.js";
import { Queue } from "./queue.js";
import { Transport } from "./transport.js";

/** Events are gathered this long, so that a click which causes three of them causes one request. */
const GATHER_MS = 1_000;

class Collector {
  private _permission: Permission = "wait";
  private _watching = false;
  private _page: string | undefined;
  private _began = 0;
  private _engaged = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _queue: Queue;
  private _transport: Transport;
  private _clock: EngagementClock;

  constructor(private _options: Options) {
    const now = () => performance.now();
    this._queue = new Queue(_options.site, now);
    this._transport = new Transport(
      _options.endpoint,
      this._queue,
      firstTurn(`tamga-${_options.site}`),
      guard(() => this._stop(true)),
    );
    this._clock = new EngagementClock(
      now,
      guard(() => this._reportEngagement()),
    );
  }

  _open() {
    this._permission = permission(this._options.consent === "wait");
    // The objection of an earlier page that no collector has confirmed: it is all that may be sent.
    if (this._permission === "unconfirmed") this._object();
    else this._begin();
  }

  _view(
    template?: string,
    referrer = this._page ? referrerUrl(this._page, this._options.site) : this._first(),
  ) {
    if (!this._mayCount()) return;
    this._reportEngagement();
    this._enterView();
    this._page = pageUrl(location.href, !!this._options.hash, template);
    const view: BeaconEvent = { type: "view", at: 0, url: this._page };
    if (referrer && this._permission === "full") view.referrer = referrer;
    this._add(view, 0);
  }

  _event(name: string, details?: { variant?: string }) {
    if (this._permission !== "full" || !NAME.test(name)) return;
    const event: BeaconEvent = { type: "event", at: this._at(), name };
    if (details?.variant !== undefined) {
      if (!NAME.test(details.variant)) return;
      event.variant = details.variant;
    }
    this._add(event);
  }

  _consent(state: ConsentState) {
    const event: BeaconEvent = { type: "consent", at: this._at(), state };
    const counted = this._mayCount();
    if (state === "granted" && this._permission === "wait") {
      this._permission = granted();
      this._begin();
    } else if (state === "denied" && counted) {
      const told = this._permission;
      this._stop();
      // May be granted again on this page. Without an objection there is no mirror, so the next page asks anew.
      this._permission = "wait";
      if (told === "full") this._add(event, 0);
      return;
    }
    // Where nothing may be sent, telling the collector of a refusal would be the first contact. And where consent
    // banners repeat an old "granted" on every page, it must not undo an objection.
    if (this._permission === "full") this._add(event, 0);
  }

  /** Told even if nothing may be counted: this is the visitor's right, not a measurement. */
  _object() {
    mirrorObjection(false);
    this._stop();
    this._add({ type: "object", at: this._at() }, 0);
  }

  private _begin() {
    if (!this._mayCount()) return;
    if (!this._watching) {
      this._watching = true;
      const auto = this._options.views !== "manual";
      if (auto) watchPages(!!this._options.hash, () => this._view());
      // A restored page is a new view; the referrer of the old one brought nobody this time.
      whenHidden(
        () => this._hide(),
        () => auto && this._view(undefined, ""),
      );
      watchEngagement(this._clock);
      watchExits(this._options.site, (url) => {
        if (this._permission === "full") this._add({ type: "exit", at: this._at(), url });
      });
      if (!auto) this._enterView();
    }
    if (this._options.views !== "manual") this._view();
  }

  private _hide() {
    this._clock._set(false);
    this._reportEngagement();
    this._queue._seal();
    this._transport._hide();
  }

  /** Nothing more is counted, and what has not left the page is forgotten. */
  private _stop(confirmed?: boolean) {
    if (confirmed) mirrorObjection(true);
    this._permission = "off";
    this._queue._clear();
  }

  private _enterView() {
    this._queue._begin(randomId());
    this._clock._restart();
    this._began = performance.now();
    this._engaged = 0;
  }

  private _reportEngagement() {
    const engaged_ms = this._clock._read();
    if (this._permission !== "full" || !this._page || engaged_ms <= this._engaged) return;
    this._engaged = engaged_ms;
    this._add({ type: "engage", at: this._at(), engaged_ms });
  }

  private _add(event: BeaconEvent, delay = GATHER_MS) {
    // Without a view yet: an objection before consent, or an event before the first manual view.
    if (!this._began) this._enterView();
    this._queue._add(event);
    // The earliest wish stands, so that a stream of events cannot postpone sending for ever.
    if (delay && this._timer !== undefined) return;
    clearTimeout(this._timer);
    this._timer = setTimeout(
      guard(() => {
        this._timer = undefined;
        this._queue._seal();
        this._transport._pump();
      }),
      delay,
    );
  }

  private _mayCount = () => this._permission === "full" || this._permission === "count";

  private _first = () => firstReferrer(this._options.site);

  private _at = () => (this._began ? Math.min(Math.round(performance.now() - this._began), MAX_MS) : 0);
}

/**
 * Starts counting this page and returns what the page may call. Never throws. Where there is no window, or the page is not
 * http(s), the returned methods do nothing.
 */
export function start(options: Options): Tamga {
  const page =
    typeof window === "undefined" ? undefined : (window as { tamga?: Partial<Tamga> & { q?: unknown } });
  if (page?.tamga?.view) return page.tamga as Tamga;

  let collector: Collector | undefined;
  const call =
    <Args extends unknown[]>(run: (collector: Collector, ...args: Args) => void) =>
    (...args: Args) => {
      if (collector) whenActivated(guard(() => run(collector as Collector, ...args)));
    };
  const tamga: Tamga = {
    view: call((to, template?: string) => to._view(template)),
    event: call((to, name: string, details?: { variant?: string }) => to._event(name, details)),
    consent: call((to, state: ConsentState) => to._consent(state)),
    object: call((to) => to._object()),
    q: {
      push(...calls: Call[]) {
        // One by one, so that nonsense in one call does not cost the next.
        for (const entry of calls) {
          guard(([name, ...args]: Call) => (tamga[name] as (...args: unknown[]) => void)(...args))(entry);
        }
      },
    },
  };
  guard(() => {
    if (!page || !/^https?:/.test(location.protocol)) return;
    const early = page.tamga?.q;
    collector = new Collector(options);
    page.tamga = tamga;
    whenActivated(guard(() => collector?._open()));
    // Calls the page made before the script had arrived.
    if (Array.isArray(early)) tamga.q.push(...early);
  })();
  return tamga;
}
