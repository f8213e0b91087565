/**
 * The wire types of `POST /v1/beacon`, version 1.
 *
 * They match `schema/wire/beacon.v1.schema.json`; a test compares the two. A collector discards event types and fields
 * that it does not know, so both may be added without a new version.
 */

/** What a visitor answered when the site asked. */
export type ConsentState = "granted" | "denied";

/** Milliseconds since the page view began, rounded, 0 … 86 400 000. No clock of the device is ever sent. */
type Milliseconds = number;

/** A page was opened, or a single-page application moved to another path. */
export interface ViewEvent {
  type: "view";
  at: Milliseconds;
  /** The page's address: origin, path and `utm_*` parameters; ≤ 2048 characters. */
  url: string;
  /** Where the visitor came from: the previous page's origin and path on the same site, only the origin elsewhere. */
  referrer?: string | undefined;
  /** The address had a parameter of a paid click. Its value is never sent. */
  paid?: true | undefined;
}

/** How long the page was visible and focused since the view began. A later event replaces an earlier one. */
export interface EngageEvent {
  type: "engage";
  at: Milliseconds;
  engaged_ms: Milliseconds;
}

/** The visitor followed a link to another site. `url` is that site's origin, never the path. */
export interface ExitEvent {
  type: "exit";
  at: Milliseconds;
  url: string;
}

/** An event that the site's configuration declares by name. */
export interface NamedEvent {
  type: "event";
  at: Milliseconds;
  name: string;
  variant?: string | undefined;
}

/** The visitor searched the site. Sent only if the tag names the parameters that hold the words. */
export interface SearchEvent {
  type: "search";
  at: Milliseconds;
  query: string;
}

/** A script of the page failed. Sent only if the tag asks for it. */
export interface ErrorEvent {
  type: "error";
  at: Milliseconds;
  message: string;
}

export interface ConsentEvent {
  type: "consent";
  at: Milliseconds;
  state: ConsentState;
}

/** The visitor objects: nothing more may be counted, and what is stored is erased. */
export interface ObjectEvent {
  type: "object";
  at: Milliseconds;
}

export type BeaconEvent =
  | ViewEvent
  | EngageEvent
  | ExitEvent
  | NamedEvent
  | SearchEvent
  | ErrorEvent
  | ConsentEvent
  | ObjectEvent;

/** Why a signal has no value: the browser lacks it, a policy forbids it, it took too long, or it failed. */
export interface Absence {
  absent: "unsupported" | "blocked" | "timeout" | "error";
}

/** 128 bits as 22 characters of base64url. */
type Digest = string;

export interface Canvas {
  digest: Digest;
  /** `noised`: the browser falsifies what is read, so the digest does not describe the device. */
  state: "normal" | "noised";
}
export interface WebGl {
  vendor: string;
  renderer: string;
  digest: Digest;
}
/** 0 … 4 of each kind. */
export interface MediaDevices {
  audio_input: number;
  audio_output: number;
  video_input: number;
}
export interface Cpu {
  architecture: "x86" | "arm" | "other";
  bits?: 32 | 64;
}
export interface Screen {
  /** Width and height in CSS pixels. */
  width: number;
  height: number;
  /** Bits per pixel. */
  depth: number;
  /** Device pixels per CSS pixel, times 100. */
  ratio: number;
  /** How much of the screen the window takes. */
  window: "full" | "large" | "medium" | "small";
}

/** What the device part reads: one field per signal, and only the signals that the collector asked for. */
export interface Device {
  time_zone?: string | Absence;
  canvas?: Canvas | Absence;
  fonts?: string[] | Absence;
  plugins?: string[] | Absence;
  webgl?: WebGl | Absence;
  media_devices?: MediaDevices | Absence;
  active_x?: boolean | Absence;
  languages?: string[] | Absence;
  cpu?: Cpu | Absence;
  screen?: Screen | Absence;
  automation?: string[] | Absence;
  os_version?: string | Absence;
  model?: string | Absence;
}

export interface Beacon {
  v: 1;
  site: string;
  /** 128 random bits, base64url without padding: 22 characters, new for every page view. */
  view: string;
  /** Counts the beacons of this view from 0. The collector recognises a retry by (view, seq). */
  seq: number;
  /** Empty only beside `device`. */
  events: BeaconEvent[];
  device?: Device | undefined;
}

/** Bounds of the schema. The snippet keeps them, because one bad field would cost the whole beacon. */
export const MAX_URL = 2048;
export const MAX_MS = 86_400_000;
/** Rounds a time down and limits it to the bound. */
export const milliseconds = (time: number) => Math.min(time, MAX_MS) | 0;
export const MAX_SEQ = 10_000;
export const MAX_QUERY = 256;
export const MAX_MESSAGE = 1024;
export const NAME = /^[a-z0-9_.-]{1,64}$/;
