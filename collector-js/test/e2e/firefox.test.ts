/** Is a Firefox counted like a Chromium, and what of its device comes? */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Device } from "../../src/beacon.js";
import { Firefox } from "../lib/firefox.js";
import { fontNames, fontsByLayout } from "../lib/lists.js";
import { inTime } from "../lib/patience.js";
import { Site } from "./site.js";

const ALL = "10,13,14,15,16,17,18,19,20,22,23";
const DIGEST = /^[A-Za-z0-9_-]{21}[AQgw]$/;
/** Firefox takes its time, and more of it beside other browsers. */
const PATIENCE_MS = 30_000;

const site = new Site();
let firefox: Firefox;
before(async () => {
  await site.open();
  firefox = await Firefox.launch({ "intl.accept_languages": "kk-KZ, ru" });
});
after(async () => {
  await firefox?.close();
  await site.close();
});
afterEach(() => assert.deepEqual(site.contractErrors(), []));

const read = (browser: Firefox, items: string) =>
  inTime(async () => {
    site.reset();
    site.device = items;
    const tab = await browser.tab();
    await tab.goto(`${site.origin}/`);
    await site.until(() => site.devices.length === 1, PATIENCE_MS);
    return { tab, device: site.devices[0] as Device };
  });

test("every item is a value that Firefox itself confirms, or absent where it has none", async () => {
  const { tab, device } = await read(firefox, ALL);
  const { canvas, webgl, fonts, automation, screen, ...rest } = device;
  const truth = await tab.evaluate(async () => {
    const kinds = (await navigator.mediaDevices.enumerateDevices()).map(({ kind }) => kind);
    const count = (kind: string) => Math.min(kinds.filter((other) => other === kind).length, 4);
    const gl = document.createElement("canvas").getContext("webgl2");
    return {
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      plugins: [...navigator.plugins].map(({ name }) => name),
      media_devices: {
        audio_input: count("audioinput"),
        audio_output: count("audiooutput"),
        video_input: count("videoinput"),
      },
      webgl: gl && { vendor: gl.getParameter(gl.VENDOR), renderer: gl.getParameter(gl.RENDERER) },
      screen: [window.screen.width, window.screen.height, window.screen.colorDepth, devicePixelRatio * 100],
    };
  });
  const { webgl: card, screen: seen, ...same } = truth;
  assert.deepEqual(rest, {
    ...same,
    languages: ["kk-KZ", "ru"],
    active_x: false,
    // Without client hints: by the sign of a NaN, and the bits stay unknown.
    cpu: { architecture: process.arch === "x64" ? "x86" : "arm" },
  });
  const { width, height, depth, ratio } = screen as Extract<Device["screen"], { width: number }>;
  assert.deepEqual([width, height, depth, ratio], seen);
  assert.match((canvas as { digest: string }).digest, DIGEST);
  assert.equal((canvas as { state: string }).state, "normal");
  if (card) {
    const { digest, ...names } = webgl as { digest: string };
    assert.match(digest, DIGEST);
    assert.deepEqual(names, card);
  } else {
    assert.deepEqual(webgl, { absent: "unsupported" });
  }
  assert.deepEqual(automation, ["webdriver"]);
  const laidOut = await tab.evaluate(fontsByLayout, fontNames);
  assert.deepEqual(fonts, laidOut);
  await tab.close();
});

test("loading, moving, reloading, coming back and closing are counted once each", async () => {
  site.reset();
  const tab = await firefox.tab();
  await tab.goto(`${site.origin}/a`);
  await site.until(() => site.of("view").length === 1, PATIENCE_MS);
  await tab.evaluate(() => history.pushState({}, "", "/b"));
  await site.until(() => site.of("view").length === 2, PATIENCE_MS);
  await tab.reload();
  await site.until(() => site.of("view").length === 3, PATIENCE_MS);
  await tab.evaluate((url) => {
    location.href = url;
  }, `${site.elsewhere}/`);
  await tab.arrived(`${site.elsewhere}/`, PATIENCE_MS);
  await tab.back();
  await site.until(() => site.of("view").length === 4, PATIENCE_MS);
  // The page comes from the cache, and Firefox denies at first that it has focus.
  await new Promise((later) => setTimeout(later, 500));
  const before = site.of("engage").length;
  await tab.close();
  await site.until(() => site.of("engage").length > before, PATIENCE_MS);
  assert.deepEqual(
    site.stored.flatMap((event) => (event.type === "view" ? [new URL(event.url).pathname] : [])),
    ["/a", "/b", "/b", "/b"],
  );
});

test("a Firefox that resists fingerprinting shows a noised or blocked canvas, and the visitor is not asked anything", async () => {
  const shy = await Firefox.launch({ "privacy.resistFingerprinting": true });
  try {
    const { device } = await read(shy, "10,13,16,19");
    const { canvas, time_zone } = device;
    const canvasRead = canvas as { state?: string; absent?: string };
    assert.ok(canvasRead.state === "noised" || canvasRead.absent === "blocked", JSON.stringify(canvas));
    assert.ok(["UTC", "Atlantic/Reykjavik"].includes(time_zone as string), JSON.stringify(time_zone));
  } finally {
    await shy.close();
  }
});
