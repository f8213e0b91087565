/**
 * What the checker tries over the network. It counts nothing: its beacon carries an event type that no collector knows,
 * and a cookie of its own, which says 1 and lives for a minute.
 */
import { randomId } from "../lib/random-id.js";
import { TRIAL } from "./watch.js";

/** How far a beacon gets. */
export interface Way {
  /** The directive of the page's content security policy that stops it. */
  forbidden?: string;
  /** The status of the answer; 0 if there is none that the page may read. */
  status: number;
  /** The page may read an answer only without cookies: the collector does not list its origin. */
  foreign?: boolean;
  /** What the collector says about a refusal. */
  detail?: string;
  /** Something answers, though not in a way that the page may read. */
  there?: boolean;
  /** Whether the collector's cookie came back; absent if the collector does not say. */
  cookie?: "came" | "missing" | "unused";
  /** Which of the asked names the site does not declare. */
  undeclared: string[];
}

/** The script of the page's tag, or of the collector. */
export interface Script {
  /** 0 if there is no answer that the page may read. */
  status: number;
  /** Whether it has the hash of the tag's `integrity`; absent without one. */
  intact?: boolean;
}

/** Names of events, asked at once. */
export const MOST_NAMES = 16;

/** Sends two beacons: the first gets a cookie, and the second shows whether it comes back. */
export async function tryWay(site: string, endpoint: string, names: string[]): Promise<Way> {
  let forbidden: string | undefined;
  const onViolation = ({ effectiveDirective, blockedURI }: SecurityPolicyViolationEvent) => {
    if (endpoint.startsWith(blockedURI) || blockedURI.startsWith(endpoint)) forbidden = effectiveDirective;
  };
  document.addEventListener("securitypolicyviolation", onViolation);
  const asked = names.slice(0, MOST_NAMES);
  const send = (mode: RequestMode, credentials: RequestCredentials) =>
    fetch(endpoint + TRIAL + asked.join(","), {
      method: "POST",
      mode,
      credentials,
      referrerPolicy: "no-referrer",
      body: JSON.stringify({ v: 1, site, view: randomId(), seq: 0, events: [{ type: "check", at: 0 }] }),
    }).catch(() => undefined);
  let answer = await send("cors", "include");
  // The event about a violation comes after the failure.
  await new Promise((later) => setTimeout(later, 50));
  document.removeEventListener("securitypolicyviolation", onViolation);
  const nothing = { status: 0, undeclared: [] };
  if (forbidden) return { ...nothing, forbidden };
  if (!answer) {
    answer = await send("cors", "omit");
    if (!answer) return { ...nothing, there: !!(await send("no-cors", "omit")) };
    return { ...nothing, status: answer.status, foreign: true, ...(await reason(answer)) };
  }
  const found: Way = { status: answer.status, undeclared: [], ...(await reason(answer)) };
  const said = says(answer);
  if (!said) return found;
  found.undeclared = said.undeclared.map((at) => asked[at] ?? "").filter(Boolean);
  const again = said.cookie === "set" ? await send("cors", "include") : answer;
  found.cookie = said.cookie === "unused" ? "unused" : says(again)?.cookie === "came" ? "came" : "missing";
  return found;
}

/** The header `Tamga-Check`, such as `came; undeclared=0,2`. */
function says(answer: Response | undefined) {
  const [, cookie, undeclared = ""] =
    /^(set|came|unused)(?:; undeclared=([\d,]+))?$/.exec(answer?.headers.get("Tamga-Check") ?? "") ?? [];
  return cookie ? { cookie, undeclared: undeclared.split(",").filter(Boolean).map(Number) } : undefined;
}

/** What a collector says in its refusal. A proxy says something else. */
async function reason(answer: Response): Promise<{ detail?: string }> {
  if (answer.status < 400 || !answer.headers.get("Content-Type")?.includes("problem+json")) return {};
  const { detail } = (await answer.json().catch(() => ({}))) as { detail?: string };
  return detail ? { detail } : {};
}

/** Fetches a script, without running it. */
export async function tryScript(address: string, integrity = ""): Promise<Script> {
  const answer = await fetch(address, { credentials: "omit", cache: "no-cache" }).catch(() => undefined);
  if (!answer) return { status: 0 };
  const body = await answer.arrayBuffer().catch(() => undefined);
  const [, length, expected] = /sha(256|384|512)-([\w+/]+={0,2})/.exec(integrity) ?? [];
  if (!expected || !body || !crypto.subtle) return { status: answer.status };
  const hash = new Uint8Array(await crypto.subtle.digest(`SHA-${length}`, body));
  return { status: answer.status, intact: btoa(String.fromCharCode(...hash)) === expected };
}

/** Whether the device part can be loaded: as the snippet does it, which reads nothing before it is asked. */
export const tryDevice = (endpoint: string): Promise<boolean> =>
  import(/* webpackIgnore: true */ /* @vite-ignore */ `${new URL("../tamga-device.js", endpoint)}`).then(
    () => true,
    () => false,
  );
