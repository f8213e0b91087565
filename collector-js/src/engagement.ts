/**
 * How long the page was visible *and* focused.
 *
 * Visible alone would count a window behind another one, focused alone a screen that is switched off. Whether the person
 * reads or moves the mouse is deliberately not looked at.
 */
import { milliseconds } from "./beacon.js";
import { on } from "./lib/on.js";

/**
 * Engaged milliseconds after which a figure is sent though the page stays open: soon at first, so that short visits of
 * browsers which never tell of their end are measured, then at three times the last, but within five minutes, well inside the 30
 * minutes of silence that end a session.
 */
const FIRST_BEAT_MS = 10_000;
const LONGEST_BEAT_MS = 300_000;

/**
 * While engaged, the clock is settled this often. A stretch of twice as long is no reading: the device slept, and on some
 * systems `performance.now()` sleeps less deeply than the person. Of the tick in which it fell asleep, half counts.
 */
const TICK_MS = 5_000;

export type EngagementClock = ReturnType<typeof createClock>;

/** `now` tells whole milliseconds. */
export function createClock(now: () => number, onBeat: () => void) {
  let total = 0;
  let next = FIRST_BEAT_MS;
  let since: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const settle = () => {
    if (since === undefined) return;
    const stretch = now() - since;
    total += stretch > 2 * TICK_MS ? TICK_MS / 2 : stretch;
    since += stretch;
  };

  const arm = () => {
    clearTimeout(timer);
    if (since === undefined) return;
    timer = setTimeout(
      () => {
        settle();
        if (total >= next) {
          next = Math.min(next * 3, next + LONGEST_BEAT_MS);
          onBeat();
        }
        arm();
      },
      Math.min(next - total, TICK_MS),
    );
  };

  return {
    /** A new view begins at zero; whether it is engaged does not change. */
    _restart() {
      settle();
      total = 0;
      next = FIRST_BEAT_MS;
      arm();
    },

    _set(engaged: boolean) {
      settle();
      since = engaged ? now() : undefined;
      arm();
    },

    /** Engaged milliseconds of this view until now. */
    _read(): number {
      settle();
      return milliseconds(total);
    },
  };
}

/** Keeps the clock in step with the window. */
export function watchEngagement(clock: EngagementClock) {
  const update = (event?: Event) => {
    // `blur` is asked about rather than believed: it also fires when focus moves into a frame of the page, and then the
    // document still has focus. The window's `focus` is believed: Firefox denies it for a moment in a page that comes back
    // from its cache, and tells nothing afterwards.
    const focused = event?.type === "focus" && event.target === window;
    clock._set(!document.hidden && (focused || document.hasFocus()));
  };
  on("focus blur pageshow", update);
  on("visibilitychange", update, document);
  update();
}
