/** What a busy machine does to tests that look at a device. */
import type { Device } from "../../src/beacon.js";

/** Reads a device again, twice at most, while a signal of it did not come within its time. */
export async function inTime<T extends { device: Device }>(read: () => Promise<T>): Promise<T> {
  let last = await read();
  for (let again = 0; again < 2 && JSON.stringify(last.device).includes('"timeout"'); again++)
    last = await read();
  return last;
}
