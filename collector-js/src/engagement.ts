/**
 * How long the page was visible *and* focused.
 *
 * Visibility alone would count a window behind another one, and focus alone a screen that is switched off. Scrolling
 * and mouse moves are deliberately not observed.
 */
import { milliseconds } from "./beacon.js";
import { on } from "./lib/on.js";

/**
 * Engaged milliseconds after which a figure is sent although the page stays open. The first comes soon, because some
 * browsers never report the end of a short visit. Each next one comes at three times the last, but at most five minutes
 * later: a session ends after 30 minutes of silence.
 */
const FIRST_BEAT_MS = 10_000;
const LONGEST_BEAT_MS = 300_000;

/**
 * While the page is engaged, the clock adds up its time this often. A stretch of more than twice this length means that
 * the device slept, although on some systems `performance.now()` went on. Then half a tick counts.
 */
const TICK_MS = 5_000;

export type EngagementClock = ReturnType<typeof createClock>;

/** `now` returns whole milliseconds. */
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
    /** A new view begins at zero. It is engaged if the last one was. */
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
    // `blur` also fires when focus moves into a frame of the page, while the document keeps its focus. So `hasFocus()`
    // decides. The window's `focus` event decides by itself: when Firefox restores a page from its cache, `hasFocus()`
    // is false for a moment, and no event follows.
    const focused = event?.type === "focus" && event.target === window;
    clock._set(!document.hidden && (focused || document.hasFocus()));
  };
  on("focus blur pageshow visibilitychange", update);
  update();
}
