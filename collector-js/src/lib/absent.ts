/** A signal that knows why it has no value throws this. `device.ts` classifies other failures. */
import type { Absence } from "../beacon.js";

export class Absent extends Error {
  constructor(readonly _why: Absence["absent"]) {
    super();
  }
}
