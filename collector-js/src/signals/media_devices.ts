/**
 * Item 17: how many devices of each kind record or play. Without a permission browsers show at most one per kind and no
 * name. No permission is asked for. Plain http does not have it.
 */
import type { MediaDevices } from "../beacon.js";

export async function mediaDevices(): Promise<MediaDevices | undefined> {
  const all = await navigator.mediaDevices?.enumerateDevices();
  const count = (kind: string) => Math.min(all.filter((device) => device.kind === kind).length, 4);
  return (
    all && {
      audio_input: count("audioinput"),
      audio_output: count("audiooutput"),
      video_input: count("videoinput"),
    }
  );
}
