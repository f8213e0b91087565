/**
 * `npm run playground`: a page that shows every beacon as it leaves, and every signal with its value or the reason of
 * its absence.
 *
 *     node playground/serve.mjs [PORT]
 *
 * Listens on loopback only. The collector here is a stand-in that stores nothing: it checks each beacon against the
 * wire contract, sends the result to the page, and asks for every item of the device part.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv2020 from "ajv/dist/2020.js";
import { build } from "esbuild";
import { buildAll, common } from "../build.mjs";

const PORT = Number(process.argv[2] ?? 8090);
const ITEMS = "10,13,14,15,16,17,18,19,20,22,23";
/** The snippet sends no larger bodies. */
const MAX_BYTES = 65_536;

const here = fileURLToPath(new URL(".", import.meta.url));
const dist = (/** @type {string} */ name) => readFileSync(join(here, "../dist", name));
const contract = (/** @type {string} */ name) => {
  const schema = JSON.parse(readFileSync(join(here, `../../schema/wire/${name}.v1.schema.json`), "utf8"));
  return new Ajv2020({ allErrors: true, strict: true }).compile(schema);
};
/** @type {Record<string, import("ajv").ValidateFunction>} */
const CHECKS = { "/v1/beacon": contract("beacon"), "/v1/verdict": contract("verdict") };

await buildAll();
const { outputFiles } = await build({
  ...common,
  entryPoints: [join(here, "play.ts")],
  target: "es2022",
  format: "esm",
  write: false,
});
/** @type {Record<string, [string, string | Buffer]>} */
const FILES = {
  "/": ["text/html; charset=utf-8", readFileSync(join(here, "index.html"))],
  "/play.js": ["text/javascript", outputFiles[0]?.text ?? ""],
  "/tamga.js": ["text/javascript", dist("tamga.js")],
  "/tamga.js?check": ["text/javascript", dist("tamga-check.js")],
  "/tamga-device.js": ["text/javascript", dist("tamga-device.js")],
  "/tamga-extras.js": ["text/javascript", dist("tamga-extras.js")],
  "/tamga-ports.js": ["text/javascript", dist("tamga-ports.js")],
};

/** Pages that show the beacons. @type {Set<import("node:http").ServerResponse>} */
const watchers = new Set();
let asked = false;

createServer(async (request, response) => {
  const { pathname, search } = new URL(`http://play${request.url}`);
  const collector = request.headers.host?.startsWith("t.");
  const site = `http://play.localhost:${PORT}`;
  const check = collector && request.method === "POST" ? CHECKS[pathname] : undefined;
  if (check) {
    let body = "";
    for await (const chunk of request) {
      body += chunk;
      if (body.length > MAX_BYTES) {
        request.destroy();
        return;
      }
    }
    const report = { beacon: body, errors: /** @type {string[]} */ ([]) };
    try {
      if (!check(JSON.parse(body))) {
        report.errors = (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
      }
    } catch {
      report.errors = ["not JSON"];
    }
    for (const watcher of watchers) watcher.write(`data: ${JSON.stringify(report)}\n\n`);
    if (pathname === "/v1/verdict") {
      response.writeHead(report.errors.length ? 422 : 200, { "Access-Control-Allow-Origin": site });
      response.end("nothing.is.signed");
      return;
    }
    response.writeHead(report.errors.length ? 422 : 202, {
      "Access-Control-Allow-Origin": site,
      "Access-Control-Allow-Credentials": "true",
      "Access-Control-Expose-Headers": "Tamga-Outcome, Tamga-Device, Retry-After",
      "Tamga-Outcome": "accepted",
      ...(asked ? {} : { "Tamga-Device": ITEMS }),
    });
    asked = true;
    response.end();
  } else if (pathname === "/beacons") {
    // A page that connects is a new session.
    asked = false;
    watchers.add(response);
    request.on("close", () => watchers.delete(response));
    response
      .writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" })
      .flushHeaders();
  } else {
    const [type, file] = FILES[collector ? pathname + search : pathname] ?? FILES["/"] ?? [];
    response.writeHead(200, {
      "Content-Type": type,
      "Access-Control-Allow-Origin": "*",
      "Cache-Control": "no-store",
    });
    response.end(file);
  }
}).listen(PORT, "127.0.0.1", () => console.log(`http://play.localhost:${PORT}/`));
