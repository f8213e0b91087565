/** Retries for tests that read a device on a busy machine. */
import type { Device } from "../../src/beacon.js";

/** Reads a device again, at most twice, if one of its signals timed out. */
export async function inTime<T extends { device: Device }>(read: () => Promise<T>): Promise<T> {
  let last = await read();
  for (let again = 0; again < 2 && JSON.stringify(last.device).includes('"timeout"'); again++)
    last = await read();
  return last;
}
