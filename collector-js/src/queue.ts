/**
 * Events on their way into beacons, and beacons on their way out.
 *
 * Bounds: 50 events a beacon (which keeps a beacon near 16 KiB, since only views carry long strings), 24 beacons and
 * 48 KiB waiting (browsers grant 64 KiB to all keepalive requests of a page together, and the page may have its own),
 * 20 minutes of age (the collector recognises a repeated (view, seq) for 30). What exceeds a bound is dropped, oldest
 * first. A dropped beacon leaves a gap in `seq`, so the loss can be seen; nothing is ever written to storage.
 */
import { type Beacon, type BeaconEvent, MAX_SEQ } from "./beacon.js";

export const MAX_EVENTS = 50;
export const MAX_BEACONS = 24;
export const MAX_BYTES = 48 * 1024;
export const MAX_AGE_MS = 20 * 60_000;

/** A beacon that no longer changes: a retry repeats it byte for byte. */
export interface Sealed {
  _body: string;
  _bytes: number;
  _born: number;
  _failures: number;
  /** A request with this body is on the wire. */
  _inFlight?: boolean;
}

export class Queue {
  private _view = "";
  private _seq = 0;
  private _open: BeaconEvent[] = [];
  private _sealed: Sealed[] = [];

  constructor(
    private _site: string,
    private _now: () => number,
  ) {}

  /** Later events belong to this view. */
  _begin(view: string) {
    this._seal();
    this._view = view;
    this._seq = 0;
  }

  _add(event: BeaconEvent) {
    // Engaged time counts from the beginning of the view, so an unsent earlier figure says nothing more.
    if (event.type === "engage") this._open = this._open.filter(({ type }) => type !== "engage");
    this._open.push(event);
    if (this._open.length >= MAX_EVENTS) this._seal();
  }

  /** Turns the events gathered so far into a beacon. */
  _seal() {
    const events = this._open;
    if (!events.length) return;
    this._open = [];
    if (this._seq > MAX_SEQ) return;
    const beacon: Beacon = { v: 1, site: this._site, view: this._view, seq: this._seq++, events };
    const body = JSON.stringify(beacon);
    this._sealed.push({
      _body: body,
      _bytes: new TextEncoder().encode(body).length,
      _born: this._now(),
      _failures: 0,
    });
    this._trim();
  }

  /** The beacons to send, oldest first. */
  _waiting(): readonly Sealed[] {
    this._trim();
    return this._sealed;
  }

  _remove(beacon: Sealed) {
    this._sealed = this._sealed.filter((other) => other !== beacon);
  }

  _clear() {
    this._open = [];
    this._sealed = [];
  }

  private _trim() {
    let bytes = this._sealed.reduce((sum, { _bytes }) => sum + _bytes, 0);
    this._sealed = this._sealed.filter(({ _bytes, _born }, index) => {
      const keep =
        this._sealed.length - index <= MAX_BEACONS && bytes <= MAX_BYTES && this._now() - _born <= MAX_AGE_MS;
      bytes -= _bytes;
      return keep;
    });
  }
}
