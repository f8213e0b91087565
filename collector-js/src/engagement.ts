/**
 * How long the page was visible *and* focused.
 *
 * Visible alone would count a window behind another one, focused alone a screen that is switched off. Whether the person
 * reads or moves the mouse is deliberately not looked at.
 */
import { MAX_MS } from "./beacon.js";
import { guard } from "./lib/guard.js";

/**
 * Engaged milliseconds after which a figure is sent though the page stays open: soon at first, so that short visits of
 * browsers which never tell of their end are measured, then every five minutes, well inside the 30 minutes of silence that
 * end a session.
 */
export const BEATS_MS = [10_000, 30_000, 60_000, 120_000, 300_000];
const LAST_BEAT_EVERY_MS = 300_000;

/**
 * Every beat settles the clock, so a longer unbroken stretch is no reading: the device slept, and on some systems
 * `performance.now()` sleeps less deeply than the person.
 */
const LONGEST_STRETCH_MS = LAST_BEAT_EVERY_MS + 30_000;

export class EngagementClock {
  private _total = 0;
  private _since: number | undefined;
  private _timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private _now: () => number,
    private _onBeat: () => void,
  ) {}

  /** A new view begins at zero; whether it is engaged does not change. */
  _restart() {
    this._settle();
    this._total = 0;
    this._arm();
  }

  _set(engaged: boolean) {
    this._settle();
    this._since = engaged ? this._now() : undefined;
    this._arm();
  }

  /** Engaged milliseconds of this view until now. */
  _read(): number {
    this._settle();
    return Math.min(Math.round(this._total), MAX_MS);
  }

  private _settle() {
    if (this._since === undefined) return;
    const now = this._now();
    this._total += Math.min(now - this._since, LONGEST_STRETCH_MS);
    this._since = now;
  }

  private _arm() {
    clearTimeout(this._timer);
    if (this._since === undefined) return;
    const next =
      BEATS_MS.find((beat) => beat > this._total) ??
      (Math.floor(this._total / LAST_BEAT_EVERY_MS) + 1) * LAST_BEAT_EVERY_MS;
    // Rounded up: a timer that fires a fraction early would find the beat still ahead and beat twice.
    this._timer = setTimeout(
      () => {
        this._settle();
        this._onBeat();
        this._arm();
      },
      Math.ceil(next - this._total),
    );
  }
}

/** Keeps the clock in step with the window. */
export function watchEngagement(clock: EngagementClock) {
  const update = guard(() => {
    // Asked rather than inferred from the event: `blur` also fires when focus moves into a frame of the page, and then
    // the document still has focus.
    clock._set(document.visibilityState === "visible" && document.hasFocus());
  });
  for (const type of ["focus", "blur", "pageshow"]) addEventListener(type, update);
  document.addEventListener("visibilitychange", update);
  update();
}
