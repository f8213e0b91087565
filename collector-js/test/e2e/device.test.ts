/** Does every signal that is asked for, and no other, come as the browser's own truth or as its correct absence? */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Device } from "../../src/beacon.js";
import { fontNames, fontsByLayout } from "../lib/lists.js";
import { inTime } from "../lib/patience.js";
import { World } from "./world.js";

const DIGEST = /^[A-Za-z0-9_-]{21}[AQgw]$/;
const ALL = "10,13,14,15,16,17,18,19,20,22,23,25,26";
/** Item, field, and what a page can do to break it. */
const BREAKS: [keyof Device, string][] = [
  ["time_zone", "Intl.DateTimeFormat = broken; Temporal.Now.timeZoneId = broken"],
  ["canvas", "CanvasRenderingContext2D.prototype.getImageData = broken"],
  ["fonts", "CanvasRenderingContext2D.prototype.measureText = broken"],
  ["plugins", "Object.defineProperty(Navigator.prototype, 'plugins', { get: broken })"],
  [
    "webgl",
    "HTMLCanvasElement.prototype.getContext = ((real) => function (kind, ...rest) { return kind === 'webgl' ? broken() : real.call(this, kind, ...rest); })(HTMLCanvasElement.prototype.getContext)",
  ],
  ["media_devices", "MediaDevices.prototype.enumerateDevices = broken"],
  ["active_x", "window = undefined"],
  ["languages", "Object.defineProperty(Navigator.prototype, 'languages', { get: broken })"],
  ["cpu", "Float32Array = broken; NavigatorUAData.prototype.getHighEntropyValues = broken"],
  ["screen", "Object.defineProperty(Screen.prototype, 'width', { get: broken })"],
  ["automation", "Object.getOwnPropertyNames = broken"],
];

let world: World;
before(async () => {
  world = await World.create();
});
after(() => world?.close());
afterEach(() => assert.deepEqual(world.contractErrors(), []));

/** A visit to a page until its device part has come. */
const read = (items: string, ...visitor: Parameters<World["visitor"]>) =>
  inTime(async () => {
    const page = await world.visitor(...visitor);
    world.device = items;
    await page.goto(`${world.origin}/`);
    await world.until(() => world.devices.length === 1, 20_000);
    return { page, device: world.devices[0] as Device };
  });

test("every item is a value that the browser itself confirms", async () => {
  const { page, device } = await read(ALL, undefined, {
    timezoneId: "Asia/Almaty",
    locale: "kk-KZ",
    screen: { width: 1440, height: 900 },
    viewport: { width: 1024, height: 600 },
    deviceScaleFactor: 1.5,
  });
  const { canvas, fonts, automation, webgl, ...rest } = device;
  const truth = await page.evaluate(async () => {
    const kinds = (await navigator.mediaDevices.enumerateDevices()).map(({ kind }) => kind);
    const count = (kind: string) => kinds.filter((other) => other === kind).length;
    const agent = (
      navigator as { userAgentData?: { getHighEntropyValues(names: string[]): Promise<unknown> } }
    ).userAgentData;
    const hints = await agent?.getHighEntropyValues(["platformVersion"]);
    return {
      os_version: (hints as { platformVersion: string }).platformVersion,
      plugins: [...navigator.plugins].map(({ name }) => name),
      audio_input: count("audioinput"),
      audio_output: count("audiooutput"),
      video_input: count("videoinput"),
      depth: screen.colorDepth,
    };
  });
  const { plugins, depth, os_version, ...media_devices } = truth;
  assert.deepEqual(rest, {
    time_zone: "Asia/Almaty",
    languages: ["kk-KZ"],
    screen: { width: 1440, height: 900, depth, ratio: 150, window: "medium" },
    active_x: false,
    plugins,
    cpu: { architecture: process.arch === "x64" ? "x86" : "arm", bits: 64 },
    // Linux says none of some kernels. A computer has no model.
    os_version: os_version || { absent: "unsupported" },
    model: { absent: "unsupported" },
    media_devices,
  });
  const { digest, ...names } = webgl as { digest: string; vendor: string; renderer: string };
  assert.match(digest, DIGEST);
  assert.deepEqual(
    names,
    await page.evaluate(() => {
      const gl = document.createElement("canvas").getContext("webgl2") as WebGL2RenderingContext;
      const names = gl.getExtension("WEBGL_debug_renderer_info") as WEBGL_debug_renderer_info;
      const [vendor, renderer] = [names.UNMASKED_VENDOR_WEBGL, names.UNMASKED_RENDERER_WEBGL].map((name) =>
        gl.getParameter(name),
      );
      return { vendor, renderer };
    }),
  );
  assert.match((canvas as { digest: string }).digest, DIGEST);
  assert.equal((canvas as { state: string }).state, "normal");
  assert.ok(
    Array.isArray(automation) && automation.includes("webdriver") && automation.includes("headless_agent"),
  );

  // The other way to find a font: a text in the page, laid out.
  const laidOut = await page.evaluate(fontsByLayout, fontNames);
  assert.deepEqual(fonts, laidOut);
  assert.ok(laidOut.length > 0 && laidOut.length < fontNames.length, "some are there and some are not");
});

test("the same browser draws the same, another size of the page changes nothing", async () => {
  const first = await read("13");
  const second = await read("13", undefined, { viewport: { width: 500, height: 500 } });
  assert.deepEqual(first.device, second.device);
});

test("what is not asked for is neither read nor sent, and without a question nothing is loaded", async () => {
  const { device } = await read("10,19");
  assert.deepEqual(Object.keys(device).sort(), ["languages", "time_zone"]);
  const page = await world.visitor();
  await page.goto(`${world.origin}/`);
  await world.quiet();
  assert.deepEqual(
    world.requests.filter((path) => path.includes("device")),
    [],
  );
});

test("the device part comes once per page, though a collector asks again, and belongs to a view that was reported", async () => {
  const { page } = await read("10");
  world.device = "10";
  await page.evaluate(() => history.pushState({}, "", "/next"));
  await world.until(() => world.of("view").length === 2);
  await world.quiet();
  assert.equal(world.devices.length, 1);
  const views = world.received.filter(({ beacon }) => beacon.events[0]?.type === "view");
  const sent = world.received.find(({ beacon }) => beacon.device)?.beacon;
  assert.deepEqual([sent?.view, sent?.seq], [views[0]?.beacon.view, 1]);
});

test("an objection while the device is read keeps it on the device", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() => {
      // Within the question, because a slow machine would meet its deadline before any later moment.
      MediaDevices.prototype.enumerateDevices = async () => {
        (window as unknown as { tamga: { object(): void } }).tamga.object();
        return [];
      };
    }),
  );
  world.device = "17";
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("object").length === 1);
  await world.quiet();
  assert.deepEqual(world.devices, []);
});

test("a page that is left while the device is read sends what it has, and the rest as timeout", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() => {
      MediaDevices.prototype.enumerateDevices = () => {
        Object.assign(window, { asked: true });
        return new Promise(() => {});
      };
    }),
  );
  world.device = "10,17,14";
  await page.goto(`${world.origin}/`);
  await page.waitForFunction(() => "asked" in window);
  await page.close({ runBeforeUnload: true });
  await world.until(() => world.devices.length === 1);
  const { time_zone, ...rest } = world.devices[0] as Device;
  assert.equal(typeof time_zone, "string");
  assert.deepEqual(rest, { media_devices: { absent: "timeout" }, fonts: { absent: "timeout" } });
});

test("a version and a model are what the browser's hints say, and their failure is one", async () => {
  const hints = async (code: string) => {
    const { device } = await read("25,26", (context) =>
      context.addInitScript(`NavigatorUAData.prototype.getHighEntropyValues = async () => { ${code} }`),
    );
    return device;
  };
  assert.deepEqual(await hints('return { platformVersion: "14.0.0", model: "SM-A525F" }'), {
    os_version: "14.0.0",
    model: "SM-A525F",
  });
  const blocked = { absent: "blocked" };
  assert.deepEqual(await hints('throw new DOMException("no", "NotAllowedError")'), {
    os_version: blocked,
    model: blocked,
  });
});

for (const [field, code] of BREAKS) {
  test(`with ${field} broken by the page, all others are as they were and the page hears nothing`, async () => {
    const errors: string[] = [];
    const { page, device } = await read(ALL, async (context) => {
      context.on("weberror", (error) => errors.push(error.error().message));
      context.on("console", (message) => {
        if (!message.text().includes("favicon")) errors.push(message.text());
      });
      await context.addInitScript(
        `{ const broken = () => { throw new Error("broken"); }; try { ${code} } catch {} }`,
      );
    });
    for (const [name] of BREAKS) {
      const value = device[name];
      const why = typeof value === "object" && "absent" in value ? value.absent : undefined;
      // `window` cannot be taken away from a page. Fonts and canvas share what draws, not what fails here.
      assert.equal(why, name === field && field !== "active_x" ? "error" : undefined, name);
    }
    assert.equal(await page.evaluate(() => 6 * 7), 42);
    assert.deepEqual(errors, []);
  });
}

for (const [what, code, expected] of [
  ["random noise", "Math.random() * 3", { state: "noised" }],
  ["noise that is the same every time", "(index % 977 === 0 ? 1 : 0)", { state: "noised" }],
  ["white for everything", "255", { absent: "blocked" }],
  ["nothing for everything", "-255", { absent: "blocked" }],
] as const) {
  test(`a canvas that reads as ${what} is reported as such`, async () => {
    const { device } = await read("13", (context) =>
      context.addInitScript(`
        const read = CanvasRenderingContext2D.prototype.getImageData;
        CanvasRenderingContext2D.prototype.getImageData = function (...area) {
          const image = read.apply(this, area);
          image.data.forEach((value, index) => { image.data[index] = value + ${code}; });
          return image;
        };`),
    );
    const { digest: _, ...rest } = device.canvas as unknown as Record<string, string>;
    assert.deepEqual(rest, expected);
  });
}

test("fonts that the page brings are not taken for the device's, and are not downloaded to look", async () => {
  const page = await world.visitor();
  world.device = "14";
  world.pages["/"] = {
    head: `<style>@font-face { font-family: "Menlo"; src: url(/menlo.woff2) }
      @font-face { font-family: "DejaVu Sans"; src: url(/dejavu.woff2) }</style>`,
  };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.devices.length === 1, 20_000);
  const fonts = world.devices[0]?.fonts as string[];
  assert.deepEqual(
    fonts.filter((name) => /Menlo|DejaVu/.test(name)),
    [],
  );
  assert.deepEqual(
    world.requests.filter((path) => path.includes("woff")),
    [],
  );
});

test("a strict content security policy with a nonce and Trusted Types lets the device part in", async () => {
  const page = await world.visitor();
  const { origin } = new URL(world.scriptUrl);
  world.device = ALL;
  world.pages["/"] = {
    attributes: 'nonce="r4nd0m"',
    headers: {
      "Content-Security-Policy": `default-src 'none'; script-src 'nonce-r4nd0m'; connect-src ${origin}; require-trusted-types-for 'script'; trusted-types 'none'`,
    },
  };
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  await page.goto(`${world.origin}/`);
  await world.until(() => world.devices.length === 1, 20_000);
  assert.deepEqual(
    complaints.filter((text) => !text.includes("favicon")),
    [],
  );
});

test("a policy that keeps the device part out costs nothing else", async () => {
  const page = await world.visitor();
  const { origin } = new URL(world.scriptUrl);
  world.device = ALL;
  world.pages["/"] = {
    headers: { "Content-Security-Policy": `script-src ${origin}/tamga.js; connect-src ${origin}` },
  };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.received.length === 1);
  await world.quiet();
  await page.evaluate(() => history.pushState({}, "", "/next"));
  await world.until(() => world.of("view").length === 2);
  assert.deepEqual(world.devices, []);
});

test("where there is no WebGL it is unsupported, and a browser that nobody drives is suspected of nothing", async () => {
  const other = await World.create({ flat: true, unautomated: true });
  try {
    const page = await other.visitor(undefined, {
      // The one thing that a headless browser says of itself then.
      userAgent:
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
    });
    other.device = "16,23";
    await page.goto(`${other.origin}/`);
    await other.until(() => other.devices.length === 1, 20_000);
    assert.deepEqual(other.devices, [{ webgl: { absent: "unsupported" }, automation: [] }]);
    assert.deepEqual(other.contractErrors(), []);
  } finally {
    await other.close();
  }
});
