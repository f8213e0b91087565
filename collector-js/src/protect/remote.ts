/**
 * Item 24: do programs for remote control answer on this device? It connects to their well-known ports on loopback, and
 * sends nothing but the begin of a request.
 *
 * It never causes a prompt. Chromium and Firefox ask the visitor before a page may connect to the device itself, so the
 * permission is looked up first, and where it is not granted already everything is `blocked`. Safari forbids such
 * requests from https pages, so there it is `blocked` as well.
 *
 * A browser does not say why a request failed. So two ports that nobody uses are tried beside the others. Where they are
 * refused at once (Linux, macOS), a port that answers or holds the connection is open; one that hangs up at once looks
 * closed. Where they are not refused within the time (Windows takes two seconds), a port that fails sooner is open.
 */
import { guard } from "../lib/guard.js";
import { engine } from "./engine.js";

export type Port = "open" | "closed" | "blocked" | "timeout";

/** Of the programs that swindlers make people install, and of those that come with systems. @internal */
export const SERVICES = {
  rdp: [3389],
  vnc: [5900, 5901, 5902, 5903],
  anydesk: [7070],
  teamviewer: [5938, 5939],
  radmin: [4899],
  rustdesk: [21118],
};
export type Service = keyof typeof SERVICES;
/** Assigned to nobody, and outside of the ranges from which systems take ports. */
const UNUSED = [4874, 26843];
/** For all of it. */
const LONGEST_MS = 1_500;
/** A refusal takes a millisecond, and a busy page adds to it. */
const AT_ONCE_MS = 500;
/** The permission's name in Chromium from 145 and Firefox, and in Chromium 142 to 144. */
const PERMISSIONS = ["loopback-network", "local-network-access"];

/** How an attempt ended: it was answered, or failed after so many milliseconds, or had not ended in time. */
export type End = "answered" | number | undefined;

export async function lookAtPorts(): Promise<Record<Service, Port>> {
  const ends = (await mayConnect())
    ? await attempt([...UNUSED, ...Object.values(SERVICES).flat()])
    : undefined;
  const of = (ports: number[]) => ports.map((port) => ends?.get(port));
  const judged = Object.entries(SERVICES).map(([service, ports]) => [
    service,
    ends ? judge(of(ports), of(UNUSED)) : "blocked",
  ]);
  return Object.fromEntries(judged);
}

/** @internal */
export function judge(ends: End[], controls: End[]): Port {
  if (ends.includes("answered")) return "open";
  if (controls.every((end) => (end as number) < AT_ONCE_MS))
    return ends.includes(undefined)
      ? "open"
      : ends.some((end) => (end as number) >= AT_ONCE_MS)
        ? "timeout"
        : "closed";
  // The unused ports are refused later than that.
  if (controls.every((end) => end === undefined))
    return ends.some((end) => end !== undefined) ? "open" : "closed";
  return "timeout";
}

/** Nothing, where the page's own policy forbids it. */
async function attempt(ports: number[]): Promise<Map<number, End> | undefined> {
  let isForbidden = false;
  const abort = new AbortController();
  const { signal } = abort;
  document.addEventListener(
    "securitypolicyviolation",
    guard(({ blockedURI }) => {
      isForbidden ||= blockedURI.startsWith("http://127.0.0.1");
    }),
    { signal },
  );
  const began = performance.now();
  const ends = new Map<number, End>();
  const attempts = ports.map(async (port) => {
    try {
      await fetch(`http://127.0.0.1:${port}/`, {
        __proto__: null,
        mode: "no-cors",
        credentials: "omit",
        cache: "no-store",
        referrerPolicy: "no-referrer",
        signal,
      } as RequestInit);
      ends.set(port, "answered");
    } catch {
      if (!signal.aborted) ends.set(port, performance.now() - began);
    }
  });
  await Promise.race([Promise.all(attempts), pause(LONGEST_MS)]);
  // The browser reports what it forbids in a task of its own, after the attempts.
  await pause(0);
  abort.abort();
  return isForbidden ? undefined : ends;
}

const pause = (ms: number) =>
  new Promise((then) => {
    setTimeout(then, ms);
  });

async function mayConnect(): Promise<boolean> {
  if (engine() === "webkit") return false;
  for (const name of PERMISSIONS) {
    try {
      return (await navigator.permissions.query({ name: name as PermissionName })).state === "granted";
    } catch {
      // A browser that does not know the name.
    }
  }
  return true;
}
