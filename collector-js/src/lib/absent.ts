/** Why a signal has no value. Thrown where a signal knows it; other failures are sorted by `device.ts`. */
import type { Absence } from "../beacon.js";

export class Absent extends Error {
  constructor(readonly _why: Absence["absent"]) {
    super();
  }
}
