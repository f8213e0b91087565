/**
 * Ordinary visitors: the browsers of the system as anybody starts them, on screens of their own, with the languages, time
 * zones and window sizes of people. No automation protocol is attached. Hands are events of the X server: a pointer that
 * moves in curves and overshoots, keys with pauses between them.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Sizes of screens, by how many people have them; every second one has a panel. */
const SCREENS = ["1920x1080", "1366x768", "1536x864", "1440x900", "2560x1440"];
const PEOPLE = [
  ["kk-KZ,kk,ru-RU,ru,en-US,en", "Asia/Almaty"],
  ["ru-RU,ru,en-US,en", "Asia/Almaty"],
  ["ru-RU,ru,kk-KZ,en", "Asia/Aqtau"],
  ["en-US,en", "Asia/Almaty"],
  ["de-DE,de,en-US,en", "Europe/Berlin"],
  ["tr-TR,tr,en", "Europe/Istanbul"],
];
const MAILS = ["aigerim@example.kz", "d.s@mail.kz", "nurlan@kz"];
const FIREFOX = {
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "browser.aboutwelcome.enabled": false,
  "browser.preonboarding.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "http://127.0.0.1:1",
  "termsofuse.bypassNotification": true,
  "toolkit.telemetry.enabled": false,
  "trailhead.firstrun.didSeeAboutWelcome": true,
};

/** Random numbers that a seed decides (mulberry32). */
export function random(/** @type {number} */ seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    between: (/** @type {number} */ low, /** @type {number} */ high) => low + next() * (high - low),
    /** @template Each @param {Each[]} all @returns {Each} */
    of: (all) => /** @type {Each} */ (all[Math.floor(next() * all.length)]),
    chance: (/** @type {number} */ share) => next() < share,
  };
}

/** Starts a program, of which nothing outlives `stop`. */
export function program(/** @type {string} */ path, /** @type {string[]} */ args, /** @type {NodeJS.ProcessEnv} */ env = {}) {
  const child = spawn(path, args, { env: { ...process.env, ...env }, stdio: "ignore", detached: true });
  const ended = once(child, "exit");
  return {
    ended,
    async stop() {
      try {
        process.kill(-Number(child.pid), "SIGTERM");
        await Promise.race([ended, sleep(3_000)]);
        process.kill(-Number(child.pid), "SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await ended;
    },
  };
}

/** Screens with a window manager each; every second one has a panel. */
export async function screens() {
  const all = [];
  for (const [at, size] of SCREENS.entries()) {
    const display = `:${90 + at}`;
    const server = program("Xvfb", [display, "-screen", "0", `${size}x24`, "-nolisten", "tcp"]);
    await sleep(700);
    const manager = program("openbox", [], { DISPLAY: display });
    const panel = at % 2 ? [] : [program("tint2", [], { DISPLAY: display })];
    const [width = 0, height = 0] = size.split("x").map(Number);
    all.push({ display, width, height, parts: [...panel, manager, server] });
  }
  await sleep(1_000);
  return { all, stop: () => Promise.all(all.flatMap(({ parts }) => parts.map((part) => part.stop()))) };
}

/**
 * A hand: lines for `xdotool -`. From one point to another in a curve, slower at both ends, with an error at the end that
 * a second, short movement corrects.
 *
 * @param {ReturnType<typeof random>} chance @param {[number, number]} from @param {[number, number]} to
 */
function move(chance, from, to) {
  const lines = [];
  const bend = chance.between(-0.2, 0.2);
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const steps = Math.round(chance.between(14, 45));
  for (let step = 1; step <= steps; step++) {
    const time = step / steps;
    const way = 10 * time ** 3 - 15 * time ** 4 + 6 * time ** 5;
    const aside = Math.sin(Math.PI * way) * bend;
    const x = from[0] + dx * way - dy * aside + chance.between(-1.5, 1.5);
    const y = from[1] + dy * way + dx * aside + chance.between(-1.5, 1.5);
    lines.push(`mousemove ${Math.max(0, Math.round(x))} ${Math.max(0, Math.round(y))}`);
    lines.push(`sleep ${chance.between(0.007, 0.02).toFixed(4)}`);
  }
  return lines;
}

const pause = (/** @type {ReturnType<typeof random>} */ chance, /** @type {number} */ low, /** @type {number} */ high) =>
  `sleep ${chance.between(low, high).toFixed(3)}`;

/** Letters one by one, as somebody types who does not look. */
function type(/** @type {ReturnType<typeof random>} */ chance, /** @type {string} */ text) {
  return [...text].flatMap((letter) => [`key ${letter === "@" ? "at" : letter === "." ? "period" : letter}`, pause(chance, 0.03, 0.16)]);
}

/**
 * Visits to the page one after the other, by a fresh profile that signs in several times. Returns what the visitor was like
 * in each.
 *
 * @param {import("./lab.mjs").Lab} lab @param {string[]} runs @param {number} seed
 * @param {Awaited<ReturnType<typeof screens>>["all"]} all @param {boolean} [hasTools] the developer tools are open
 */
export async function visit(lab, runs, seed, all, hasTools = false) {
  const chance = random(seed);
  const screen = chance.of(all);
  const [languages = "", zone = ""] = chance.of(PEOPLE);
  const isFirefox = !hasTools && chance.chance(0.4);
  const isFull = chance.chance(0.5);
  const [width, height] = [
    Math.round(screen.width * (isFull ? 1 : chance.between(0.55, 0.9))),
    Math.round(screen.height * (isFull ? 1 : chance.between(0.65, 0.9))),
  ];
  const scale = chance.of([1, 1, 1, 1.25, 1.5]);
  const guarded = isFirefox && chance.chance(0.12);
  const profile = mkdtempSync(join(tmpdir(), "tamga-person-"));
  const env = {
    DISPLAY: screen.display,
    TZ: zone,
    LANG: "C.UTF-8",
    LANGUAGE: languages.slice(0, 2),
    HOME: profile,
    DBUS_SESSION_BUS_ADDRESS: "disabled:",
  };
  for (const [at, run] of runs.entries()) lab.next.set(run, runs[at + 1] ?? "");
  const url = lab.page(runs[0] ?? "");
  const browser = isFirefox
    ? firefox(profile, env, url, languages, guarded, width, height, scale)
    : chromium(profile, env, url, languages, width, height, scale, isFull, hasTools);
  const visitor = {
    browser: isFirefox ? "firefox" : "chromium",
    screen: `${screen.width}x${screen.height}`,
    languages,
    zone,
    scale,
    guarded,
    full: isFull,
  };
  const traits = [];
  /** Where the pointer rests. @type {[number, number]} */
  let at = [screen.width * chance.between(0.2, 0.8), screen.height * chance.between(0.2, 0.8)];
  try {
    for (const run of runs) {
      const habit = chance.of(["mouse", "mouse", "mouse", "keys", "paste", "idle"]);
      traits.push({ ...visitor, habit });
      if (!(await lab.until(run, "opened"))) break;
      await sleep(chance.between(800, 1_600));
      for (let attempt = 0; attempt < 3 && !lab.steps.get(run)?.has("done"); attempt++) {
        at = await hands(env, chance, at, attempt < 2 ? habit : "mouse");
        await lab.until(run, "done", 4_000);
      }
    }
    return traits;
  } finally {
    await browser.stop();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/**
 * Fills in the form and sends it. Returns where the pointer rests then.
 *
 * @param {NodeJS.ProcessEnv} env @param {ReturnType<typeof random>} chance @param {[number, number]} from @param {string} habit
 * @returns {Promise<[number, number]>}
 */
async function hands(env, chance, from, habit) {
  const where = await geometry(env);
  /** @type {(x: number, y: number) => [number, number]} */
  const within = (x, y) => [where.x + where.width * x, where.y + where.height * y];
  const above = within(chance.between(0.3, 0.7), chance.between(0.4, 0.6));
  const target = within(chance.between(0.3, 0.7), chance.between(0.75, 0.93));
  const lines = [];
  if (habit !== "keys") lines.push(...move(chance, from, above), pause(chance, 0.1, 0.5));
  if (habit !== "idle") {
    lines.push(...type(chance, habit === "paste" ? "a" : chance.of(MAILS)));
    lines.push("key Tab", pause(chance, 0.1, 0.4), ...type(chance, habit === "paste" ? "b" : "qwertyuio"));
  }
  lines.push(pause(chance, 0.1, 0.6));
  if (habit === "keys") lines.push("key Return");
  else
    lines.push(
      ...move(chance, above, target),
      pause(chance, 0.05, 0.2),
      "mousedown 1",
      pause(chance, 0.05, 0.12),
      "mouseup 1",
    );
  const hand = spawn("xdotool", ["-"], { env: { ...process.env, ...env }, stdio: ["pipe", "ignore", "ignore"] });
  hand.stdin.end(`${lines.join("\n")}\n`);
  await once(hand, "exit");
  return habit === "keys" ? from : target;
}

/** The place of the active window. @param {NodeJS.ProcessEnv} env */
async function geometry(env) {
  const asked = spawn("xdotool", ["getactivewindow", "getwindowgeometry", "--shell"], { env: { ...process.env, ...env } });
  let text = "";
  asked.stdout.on("data", (part) => {
    text += part;
  });
  await once(asked, "exit");
  const number = (/** @type {string} */ name) => Number(new RegExp(`^${name}=(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return { x: number("X"), y: number("Y"), width: number("WIDTH") || 800, height: number("HEIGHT") || 600 };
}

/** @param {string} profile @param {NodeJS.ProcessEnv} env @param {string} url @param {string} languages @param {number} width @param {number} height @param {number} scale @param {boolean} isFull @param {boolean} hasTools */
function chromium(profile, env, url, languages, width, height, scale, isFull, hasTools) {
  mkdirSync(join(profile, "chromium/Default"), { recursive: true });
  writeFileSync(join(profile, "chromium/Default/Preferences"), JSON.stringify({ intl: { accept_languages: languages, selected_languages: languages } }));
  return program(
    process.env.CHROMIUM ?? "/usr/bin/chromium",
    [
      // Containers have no sandbox of their own; nothing of it is seen by a page.
      "--no-sandbox",
      "--no-first-run",
      "--no-default-browser-check",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--password-store=basic",
      `--user-data-dir=${join(profile, "chromium")}`,
      `--lang=${languages.slice(0, 2)}`,
      ...(isFull ? ["--start-maximized"] : [`--window-size=${width},${height}`, "--window-position=30,30"]),
      ...(hasTools ? ["--auto-open-devtools-for-tabs"] : []),
      ...(scale === 1 ? [] : [`--force-device-scale-factor=${scale}`]),
      url,
    ],
    env,
  );
}

/** @param {string} profile @param {NodeJS.ProcessEnv} env @param {string} url @param {string} languages @param {boolean} guarded @param {number} width @param {number} height @param {number} scale */
function firefox(profile, env, url, languages, guarded, width, height, scale) {
  mkdirSync(join(profile, "firefox"));
  const preferences = {
    ...FIREFOX,
    "intl.accept_languages": languages,
    ...(scale === 1 ? {} : { "layout.css.devPixelsPerPx": `${scale}` }),
    ...(guarded ? { "privacy.resistFingerprinting": true } : {}),
  };
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  writeFileSync(join(profile, "firefox/user.js"), lines.join("\n"));
  return program(
    process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    ["--no-remote", "--profile", join(profile, "firefox"), "--width", `${width}`, "--height", `${height}`, url],
    env,
  );
}
