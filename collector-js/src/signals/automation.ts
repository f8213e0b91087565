/**
 * Item 23: which detectors say that a program controls this browser. `schema/lists/detectors.txt` has their meaning and
 * weight. Here they only report; the collector decides. A detector that fails reports nothing.
 */

type Agent = { brands?: { brand: string }[]; platform?: string };
const { prototype } = Function;
const page = () => window as unknown as Record<string, unknown>;
const agentData = () => (navigator as { userAgentData?: Agent }).userAgentData;

/** Names that automation tools leave in the page, by tool. */
const TRACES: [string, RegExp][] = [
  ["chromedriver", /^\$?[cw]dc_|^\$chrome_asyncScript/],
  ["selenium", /selenium|^__(webdriver|fxdriver|driver)_|^__\$webdriver/i],
  ["playwright", /^__(playwright|pw)/],
  ["puppeteer", /^__puppeteer|^puppeteer_/i],
  ["phantom", /^_?(call)?phantom(as)?$|^__phantomas/i],
  ["nightmare", /^__nightmare/],
  ["cypress", /^__cypress/i],
  ["dom_automation", /^domAutomation/],
];

/** Is this the browser's own getter or function, of this name? A proxy that replaces it does not keep the name. */
const isNative = (what: unknown, name: string) =>
  typeof what === "function" &&
  new RegExp(`^function (get )?${name}\\(\\)\\s*\\{\\s*\\[native code\\]\\s*\\}$`).test(
    prototype.toString.call(what),
  );

const DETECTORS: [string, () => unknown][] = [
  ["webdriver", () => navigator.webdriver],
  [
    "webdriver_hidden",
    () => {
      const own = Object.getOwnPropertyDescriptor(Navigator.prototype, "webdriver");
      return Object.hasOwn(navigator, "webdriver") || (own && !isNative(own.get, "webdriver"));
    },
  ],
  [
    "headless_agent",
    () => /headless/i.test(navigator.userAgent + agentData()?.brands?.map(({ brand }) => brand)),
  ],
  ["electron", () => /electron/i.test(navigator.userAgent) || (page().process as { type?: unknown })?.type],
  [
    // How the engine prints its own function shows which engine it is.
    "engine_mismatch",
    () => {
      // biome-ignore lint/security/noGlobalEval: it is only printed, not called.
      const printed = prototype.toString.call(eval).length;
      const { userAgent, productSub } = navigator;
      const gecko = /firefox\//i.test(userAgent) && !/seamonkey/i.test(userAgent);
      if (gecko) return printed !== 37 || productSub !== "20100101";
      return /chrome\/|safari\//i.test(userAgent)
        ? productSub !== "20030107" || printed !== (/chrome\//i.test(userAgent) ? 33 : 37)
        : false;
    },
  ],
  [
    "agent_mismatch",
    () => {
      const system = agentData()?.platform;
      const named = {
        Windows: /windows/i,
        macOS: /mac os/i,
        Linux: /linux/i,
        Android: /android/i,
        iOS: /iphone|ipad/i,
      };
      return system && named[system as keyof typeof named]?.test(navigator.userAgent) === false;
    },
  ],
  ["no_languages", () => navigator.languages?.length === 0],
  ["no_window", () => document.hasFocus() && !outerWidth && !outerHeight],
  [
    "plugins_forged",
    () =>
      !(navigator.plugins instanceof PluginArray) ||
      !(navigator.mimeTypes instanceof MimeTypeArray) ||
      [...navigator.plugins].some((plugin) => !(plugin instanceof Plugin)),
  ],
  [
    "permission_paradox",
    async () =>
      Notification.permission === "denied" &&
      (await navigator.permissions.query({ name: "notifications" })).state === "prompt",
  ],
  [
    "patched_functions",
    () =>
      !isNative(prototype.toString, "toString") ||
      !isNative(CanvasRenderingContext2D.prototype.getImageData, "getImageData") ||
      !isNative(WebGLRenderingContext.prototype.getParameter, "getParameter") ||
      !isNative(Permissions.prototype.query, "query"),
  ],
];

export async function automation(): Promise<string[]> {
  const names = [window, document, document.documentElement].flatMap((holder) => [
    ...Object.getOwnPropertyNames(holder),
    // Drivers mark the page with these attributes.
    ...(holder instanceof Element ? holder.getAttributeNames() : []),
  ]);
  const found = TRACES.filter(([, trace]) => names.some((name) => trace.test(name))).map(([name]) => name);
  for (const [name, holds] of DETECTORS) {
    try {
      if (await holds()) found.push(name);
    } catch {
      // The browser does not have what the detector reads.
    }
  }
  return found;
}

/** @internal */
export const DETECTOR_NAMES = [...TRACES, ...DETECTORS].map(([name]) => name);
