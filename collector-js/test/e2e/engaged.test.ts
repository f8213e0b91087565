/** Is the reported time the time that the page was visible and focused, within two percent, in all situations? */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Page } from "playwright-core";
import { World } from "./world.js";

/**
 * What happens, with seconds: `look` (visible and focused), `aside` (visible behind another window), `hidden` (another
 * tab, the screen locked), `blind` (hidden, but the window says that it has the focus), `sleep` (the device sleeps, and
 * no event says so).
 */
type Step = "look" | "aside" | "hidden" | "blind" | "sleep";

const SCENARIOS: string[] = [
  "look 3",
  "look 12",
  "look 45",
  "look 600",
  "look 4000",
  "aside 60",
  "hidden 60, look 10",
  "aside 5, look 20, aside 5",
  "look 10, hidden 30, look 10",
  "look 10, hidden 7200, look 10",
  "look 1, aside 1, look 1, aside 1, look 1, aside 1, look 1",
  "look 2, hidden 1, aside 2, hidden 1, look 2, blind 5",
  "blind 100, look 5, blind 100",
  "look 250, hidden 10, look 50, hidden 600, look 301",
  "look 30, hidden 1, look 30, hidden 1, look 30, hidden 1, look 30",
  "look 9, aside 1, look 9, aside 1, look 9, aside 1, look 9, aside 1, look 9",
  "look 300, sleep 3600, look 300",
  "look 200, sleep 28800, look 100, hidden 30, look 100",
  "look 60, hidden 5, sleep 28800, hidden 5, look 60",
  "look 400, sleep 60, look 400, sleep 600, look 400",
];
/** Ages of waking and sleeping are whole seconds; this much more lets what was gathered leave. */
const AFTER_MS = 2_000;

let world: World;
let page: Page;
before(async () => {
  world = await World.create();
  page = await world.visitor();
  await page.clock.install({ time: "2026-11-25T08:00:00" });
  // The window as a test can turn it. Whether browsers tell of it as it is, other tests ask real windows.
  await page.addInitScript(() => {
    const state = { visible: false, focused: false };
    Object.defineProperty(document, "hidden", { get: () => !state.visible });
    document.hasFocus = () => state.focused;
    Object.assign(window, {
      turn(visible: boolean, focused: boolean) {
        const before = { ...state };
        Object.assign(state, { visible, focused });
        if (before.focused !== focused) window.dispatchEvent(new Event(focused ? "focus" : "blur"));
        if (before.visible !== visible) document.dispatchEvent(new Event("visibilitychange"));
      },
    });
  });
  await page.goto(`${world.origin}/`);
  await page.clock.pauseAt("2026-11-25T08:01:00");
});
after(() => world?.close());
afterEach(() => assert.deepEqual(world.contractErrors(), []));

const turn = (visible: boolean, focused: boolean) =>
  page.evaluate(
    ([visible, focused]) =>
      (window as never as { turn(v: unknown, f: unknown): void }).turn(visible, focused),
    [visible, focused],
  );

/** Ends the view of a path, which must have reported this many milliseconds. */
async function reports(path: string, truth: number) {
  await turn(false, false);
  await page.clock.runFor(AFTER_MS);
  const view = () => world.received.find(({ beacon }) => JSON.stringify(beacon.events).includes(`${path}"`));
  await world.until(() => view() !== undefined);
  const reported = () =>
    world.received
      .filter(({ beacon }) => beacon.view === view()?.beacon.view)
      .flatMap(({ beacon }) => beacon.events)
      .reduce((most, event) => (event.type === "engage" ? Math.max(most, event.engaged_ms) : most), 0);
  await world.until(() => Math.abs(reported() - truth) <= truth * 0.02, 4_000).catch(() => {});
  assert.ok(Math.abs(reported() - truth) <= truth * 0.02, `${reported()} ms instead of ${truth}`);
}

assert.equal(SCENARIOS.length, 20);
for (const [index, scenario] of SCENARIOS.entries()) {
  test(scenario, async () => {
    await turn(false, false);
    const path = `/scenario-${index}`;
    await page.evaluate((path) => history.pushState({}, "", path), path);
    let truth = 0;
    for (const part of scenario.split(", ")) {
      const [step, seconds] = part.split(" ") as [Step, string];
      const ms = Number(seconds) * 1_000;
      if (step === "look") truth += ms;
      if (step === "sleep") await page.clock.fastForward(ms);
      else {
        await turn(step === "look" || step === "aside", step === "look" || step === "blind");
        await page.clock.runFor(ms);
      }
    }
    await reports(path, truth);
  });
}

test("a window that has just got focus is believed though the page denies it, an element of one behind is not", async () => {
  await turn(false, false);
  await page.evaluate(() => history.pushState({}, "", "/focus"));
  await turn(true, false);
  const focus = (what: "window" | "element") =>
    page.evaluate((what) => {
      (what === "window" ? window : document.body).dispatchEvent(new Event("focus"));
    }, what);
  await focus("element");
  await page.clock.runFor(30_000);
  await focus("window");
  await page.clock.runFor(7_000);
  await reports("/focus", 7_000);
});
