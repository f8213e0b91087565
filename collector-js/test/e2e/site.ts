/**
 * The server side of the browser tests: a site, its collector and another site on one port, distinguished by host name.
 * The collector records beacons and answers as the test says.
 */
import { on, once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
  request as send,
} from "node:http";
import { type AddressInfo, connect } from "node:net";
import { extname, join } from "node:path";
import type { Beacon, BeaconEvent, Device } from "../../src/beacon.js";
import { validate, validateCall } from "../lib/schema.js";
import { shopFile } from "../lib/shop.js";

export const SITE = "shop.localhost";
const COLLECTOR = `t.${SITE}`;
/** Another domain of the site, and the collector's name below it. */
export const MARKET = "market.localhost";
const COLLECTORS = [COLLECTOR, `t.${MARKET}`];
export const ELSEWHERE = "elsewhere.localhost";
const script = (name: string) => readFileSync(new URL(`../../dist/${name}`, import.meta.url));
const SCRIPTS: Record<string, Buffer> = {
  "/tamga.js": script("tamga.js"),
  "/tamga-device.js": script("tamga-device.js"),
  "/tamga-extras.js": script("tamga-extras.js"),
  "/tamga-ports.js": script("tamga-ports.js"),
  "/tamga.js?check": script("tamga-check.js"),
  "/js/0123456789abcdef/tamga.js?check": script("tamga.js"),
};
const NPM = script("esm/index.js");

export interface Received {
  beacon: Beacon;
  headers: IncomingHttpHeaders;
  status: number;
  ms: number;
}
/** A call for a verdict, as it came. */
export interface Call {
  body: Record<string, unknown>;
  headers: IncomingHttpHeaders;
}
interface Answer {
  status?: number;
  headers?: Record<string, string>;
  delayMs?: number;
  body?: string;
}
interface PageSource {
  /** Attributes of the script tag beside `src` and `data-site`. */
  attributes?: string;
  /** What stands before the script tag. */
  head?: string;
  /** What stands in place of the script tag. */
  tag?: string;
  body?: string;
  /** The query of the script's address. */
  query?: string;
  /** How often the tag stands there. */
  tags?: number;
  headers?: Record<string, string>;
  /** Where the server redirects to. */
  location?: string;
}

export class Site {
  received: Received[] = [];
  /** Taken one by one; afterwards every beacon is accepted. */
  answers: Answer[] = [];
  calls: Call[] = [];
  /** Likewise for calls; afterwards each gets a token. */
  verdicts: Answer[] = [];
  pages: Record<string, PageSource> = {};
  /** Items to ask for, with the first beacon that is accepted. */
  device = "";
  /** Every request that reached the server, by host and path. */
  requests: string[] = [];
  /** The collector's machine is there and its program is not. */
  down = false;
  /** A proxy answers for the collector, with this status and without CORS. */
  proxy = 0;
  /** A proxy takes the collector's cookies away. */
  strips = false;
  /** The events that the site declares. */
  declared = ["signup"];
  /** If set, the site is in this folder, as a framework has built it. */
  folder = "";
  /** If set, the site is the demo shop under this content security policy. */
  shop: string | undefined;

  /** Views of earlier visitors, whose last beacons may come late on a busy machine. */
  private gone = new Set<string>();
  private server = createServer((request, response) => this.answer(request, response));
  port = Number(process.env.TAMGA_SITE_PORT ?? 0);
  /** If set, a real collector answers on this port, and this one passes on. */
  readonly collector = Number(process.env.TAMGA_COLLECTOR_PORT ?? 0);

  async open(): Promise<this> {
    await new Promise<void>((ready) => this.server.listen(this.port, "127.0.0.1", ready));
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  private answer(request: IncomingMessage, response: ServerResponse) {
    const { hostname, pathname, search } = new URL(`http://${request.headers.host}${request.url}`);
    this.requests.push(hostname + pathname);
    if (this.down && hostname === COLLECTOR) {
      request.socket.destroy();
      return;
    }
    if (this.proxy && hostname === COLLECTOR && search !== "?check") {
      response.writeHead(this.proxy, { "Content-Type": "text/html" }).end("Bad gateway");
      return;
    }
    if (hostname === SITE && pathname === "/npm.js") {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(NPM);
      return;
    }
    if (!COLLECTORS.includes(hostname)) {
      const file = this.shop && shopFile(pathname, { snippet: this.tag() });
      if (file) {
        response
          .writeHead(200, { "Content-Type": file.type, "Content-Security-Policy": this.shop })
          .end(file.body);
        return;
      }
      const app = /^\/apps\/(\w+\.js)$/.exec(pathname)?.[1];
      if (app) {
        const code = readFileSync(new URL(`../../.test-build/apps/${app}`, import.meta.url));
        response.writeHead(200, { "Content-Type": "text/javascript" }).end(code);
        return;
      }
      if (this.folder && hostname === SITE) {
        this.file(pathname, response);
        return;
      }
      const { headers, location, ...page } =
        this.pages[`${hostname}${pathname}`] ?? this.pages[pathname] ?? {};
      response.writeHead(location ? 302 : 200, {
        "Content-Type": "text/html; charset=utf-8",
        ...(location ? { Location: location } : {}),
        ...headers,
      });
      const isSite = hostname === SITE || hostname === MARKET;
      response.end(isSite ? this.html(page) : "<!doctype html><title>Elsewhere</title>");
      return;
    }
    if (this.collector) {
      this.pass(request, response);
      return;
    }
    if (request.method === "GET") {
      response
        .writeHead(SCRIPTS[pathname + search] ? 200 : 404, {
          "Content-Type": "text/javascript; charset=utf-8",
          "Access-Control-Allow-Origin": "*",
        })
        .end(SCRIPTS[pathname + search]);
      return;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (pathname === "/v1/verdict") {
        this.calls.push({ body: JSON.parse(Buffer.concat(chunks).toString()), headers: request.headers });
        const { status = 200, body = "a.signed.token" } = this.verdicts.shift() ?? {};
        response.writeHead(status, { "Access-Control-Allow-Origin": this.origin }).end(body);
        return;
      }
      const beacon = request.method === "POST" ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
      const gone = this.gone.has(beacon?.view);
      const { status = 202, headers = {}, delayMs = 0, body = "" } = (!gone && this.answers.shift()) || {};
      const asked = /^\?check=(.*)/.exec(search)?.[1];
      const trial = asked === undefined ? {} : this.trial(asked, request.headers.cookie);
      if (!gone && asked === undefined)
        this.received.push({ beacon, headers: request.headers, status, ms: performance.now() });
      const device = status === 202 && !gone && asked === undefined ? this.device : "";
      if (device) this.device = "";
      setTimeout(() => {
        response.writeHead(status, {
          ...(device ? { "Tamga-Device": device } : {}),
          "Access-Control-Allow-Origin": request.headers.origin === this.market ? this.market : this.origin,
          "Access-Control-Allow-Credentials": "true",
          "Access-Control-Expose-Headers": "Tamga-Outcome, Tamga-Device, Retry-After",
          "Cache-Control": "no-store",
          ...(this.strips ? {} : { "Set-Cookie": "tamga-test=1; HttpOnly; SameSite=Strict; Path=/" }),
          ...(status === 202 ? trial : {}),
          ...headers,
        });
        response.end(body);
      }, delayMs);
    });
  }

  private async pass(request: IncomingMessage, response: ServerResponse) {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = "", url: path = "", headers } = request;
    const passed = send({ host: "127.0.0.1", port: this.collector, method, path, headers }, (answer) => {
      const status = answer.statusCode ?? 0;
      if (method === "POST") {
        const beacon = JSON.parse(Buffer.concat(chunks).toString());
        if (!this.gone.has(beacon.view))
          this.received.push({ beacon, headers, status, ms: performance.now() });
      }
      answer.pipe(response.writeHead(status, answer.headers));
    });
    passed.on("error", () => response.destroy());
    passed.end(Buffer.concat(chunks));
  }

  /** A file of the built site: a page's name is its path, and an application without such a page has one for all. */
  private file(path: string, response: ServerResponse) {
    const places = [path, `${path}.html`, `${path}/index.html`, "/index.html"];
    const file = places
      .map((place) => join(this.folder, decodeURIComponent(place)))
      .find((place) => statSync(place, { throwIfNoEntry: false })?.isFile());
    const type = {
      ".html": "text/html",
      ".js": "text/javascript",
      ".mjs": "text/javascript",
      ".css": "text/css",
    }[extname(file ?? "")];
    if (!file) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "Content-Type": `${type ?? "text/plain"}; charset=utf-8` });
    response.end(
      readFileSync(file, "utf8")
        .replaceAll("https://t.shop.test/tamga.js", this.scriptUrl)
        .replaceAll("https://elsewhere.test", this.elsewhere),
    );
  }

  /** What a collector adds to its answer to the checker's trial. */
  private trial(names: string, cookies = ""): Record<string, string> {
    const undeclared = names
      .split(",")
      .flatMap((name, at) => (name && !this.declared.includes(name) ? [at] : []));
    const came = /(^|; )tamga-check=1/.test(cookies);
    return {
      "Tamga-Check": (came ? "came" : "set") + (undeclared.length ? `; undeclared=${undeclared}` : ""),
      "Access-Control-Expose-Headers": "Tamga-Outcome, Tamga-Device, Retry-After, Tamga-Check",
      ...(this.strips
        ? {}
        : { "Set-Cookie": `tamga-check=1; Max-Age=${came ? 0 : 60}; HttpOnly; SameSite=Strict; Path=/` }),
    };
  }

  get origin() {
    return `http://${SITE}:${this.port}`;
  }

  get market() {
    return `http://${MARKET}:${this.port}`;
  }

  get elsewhere() {
    return `http://${ELSEWHERE}:${this.port}`;
  }

  get scriptUrl() {
    return `http://${COLLECTOR}:${this.port}/tamga.js`;
  }

  get portsUrl() {
    return this.scriptUrl.replace("tamga.js", "tamga-ports.js");
  }

  protected tag = (attributes = "", query = "") =>
    `<script defer src="${this.scriptUrl}${query}" data-site="${SITE}" ${attributes}></script>`;

  private html({ attributes, query, head = "", tag, body = "", tags = 1 }: PageSource) {
    const tagged = tag ?? this.tag(attributes, query).repeat(tags);
    return `<!doctype html><html lang="en"><head><title>Shop</title>${head}${tagged}</head><body>${body}</body></html>`;
  }

  /** As if nothing had happened yet. Earlier visitors have gone: what their pages say from now on is not kept. */
  reset() {
    for (const { beacon } of this.received) if (beacon) this.gone.add(beacon.view);
    this.received = [];
    this.answers = [];
    this.calls = [];
    this.verdicts = [];
    this.pages = {};
    this.folder = "";
    this.device = "";
    this.down = false;
    this.proxy = 0;
    this.strips = false;
    this.requests = [];
  }

  /**
   * Closes every connection, so that nothing which closed browsers sent comes later. Connections are accepted in their
   * order: once one of our own is, those of before are open and can be closed.
   */
  async disconnect() {
    const last = connect(this.port, "127.0.0.1");
    const port = once(last, "connect").then(() => last.localPort);
    for await (const [{ remotePort }] of on(this.server, "connection"))
      if (remotePort === (await port)) break;
    this.server.closeAllConnections();
    await once(last, "close");
  }

  /** The device parts that came. */
  get devices(): Device[] {
    return this.received.flatMap(({ beacon }) => beacon.device ?? []);
  }

  /** What a collector would have stored: accepted beacons, each (view, seq) once, whose repetition must be the same. */
  get stored(): BeaconEvent[] {
    const seen = new Map<string, string>();
    return this.received.flatMap(({ beacon, status }) => {
      if (status !== 202) return [];
      const [id, body] = [`${beacon.view} ${beacon.seq}`, JSON.stringify(beacon)];
      if ((seen.get(id) ?? body) !== body) throw new Error("one view and seq, two contents");
      const events = seen.has(id) ? [] : beacon.events;
      seen.set(id, body);
      return events;
    });
  }

  /** What a collector counts: a beacon that comes again, since its answer did not reach the page, counts once. */
  get events(): BeaconEvent[] {
    const beacons = new Map(this.received.map(({ beacon }) => [`${beacon.view} ${beacon.seq}`, beacon]));
    return [...beacons.values()].flatMap(({ events }) => events);
  }

  of<Type extends BeaconEvent["type"]>(type: Type) {
    return this.events.filter((event): event is Extract<BeaconEvent, { type: Type }> => event.type === type);
  }

  /** Waits until it holds, and says what had come if it never does. */
  async until(holds: () => boolean, timeoutMs = 15_000) {
    const end = performance.now() + timeoutMs;
    while (!holds()) {
      if (performance.now() > end)
        throw new Error(`Not within ${timeoutMs} ms. Came: ${JSON.stringify(this.events)}`);
      await new Promise((later) => setTimeout(later, 10));
    }
  }

  /** Long enough for whatever should not come to come. */
  quiet = (ms = 1_300) => new Promise((later) => setTimeout(later, ms));

  /** Every beacon that came during a test keeps the wire contract. */
  contractErrors = (): string[] => [
    ...this.received.flatMap(({ beacon }) => validate(beacon)),
    ...this.calls.flatMap(({ body }) => validateCall(body)),
  ];

  async close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
