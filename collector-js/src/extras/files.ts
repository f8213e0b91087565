/**
 * Reports when the visitor opens a file: a link with the attribute `download`, or one whose path ends as files do. Only
 * the kind of the file leaves the page.
 */
import { linkOf } from "../lib/link-of.js";
import { on } from "../lib/on.js";

const KINDS =
  /^(pdf|docx?|xlsx?|pptx?|od[tsp]|rtf|txt|csv|xml|json|epub|zip|rar|7z|t?gz|tar|dmg|pkg|exe|msi|deb|rpm|apk|ipa|iso|mp[34]|m4a|wav|avi|mov|mkv|webm|psd|sig|p7s|cer)$/;

export function fileKind(path: string): string | undefined {
  const kind = /\.(\w{1,5})$/.exec(path)?.[1]?.toLowerCase();
  return kind && KINDS.test(kind) ? kind : undefined;
}

export function watchFiles(onFile: (kind: string | undefined) => void) {
  on("click auxclick", (event: MouseEvent) => {
    if (event.button > 1) return;
    const link = linkOf(event) as HTMLAnchorElement | undefined;
    if (!link?.pathname || link.getAttribute("data-tamga-event")) return;
    const kind = fileKind(link.pathname);
    if (kind || link.hasAttribute("download")) onFile(kind);
  });
}
