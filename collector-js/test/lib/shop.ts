/**
 * The demo shop's files by path, as the collector's demo serves them. `/` is `index.html`, `/pay/<order>` is
 * `pay.html`, and another path without extension is the file of that name with `.html`.
 */
import { existsSync, readFileSync } from "node:fs";
import { extname } from "node:path";

export const SHOP = new URL("../../../crates/demo/shop/", import.meta.url).pathname;

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The `Content-Security-Policy` of every page. */
export const shopPolicy = (collector: string) =>
  readFileSync(`${SHOP}policy.txt`, "utf8").trim().replaceAll("{{collector}}", collector);

export function shopFile(path: string, fill: { snippet: string }) {
  const page = path === "/" ? "/index" : path.replace(/^\/pay\/[^/]+$/, "/pay");
  const name = `${page.slice(1)}${extname(page) ? "" : ".html"}`;
  const type = TYPES[extname(name)];
  if (!type || name.includes("..") || !existsSync(SHOP + name)) return undefined;
  const text = readFileSync(SHOP + name, "utf8");
  return {
    type,
    body: text.replaceAll("{{snippet}}", fill.snippet),
  };
}
