/**
 * The small world of the browser tests: a site, its collector and another site on one server, told apart by host name,
 * and a fresh browser profile per test. The collector records beacons and answers as the test says.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import type { Beacon, BeaconEvent, Device } from "../../src/beacon.js";
import { launchChromium } from "../lib/chromium.mjs";
import { validate } from "../lib/schema.js";
import { shopFile } from "../lib/shop.js";

export const SITE = "shop.localhost";
const COLLECTOR = `t.${SITE}`;
export const ELSEWHERE = "elsewhere.localhost";
const script = (name: string) => readFileSync(new URL(`../../dist/${name}`, import.meta.url));
const SCRIPTS: Record<string, Buffer> = {
  "/tamga.js": script("tamga.js"),
  "/tamga-device.js": script("tamga-device.js"),
};

export interface Received {
  beacon: Beacon;
  headers: IncomingHttpHeaders;
  status: number;
  ms: number;
}
interface Answer {
  status?: number;
  headers?: Record<string, string>;
  delayMs?: number;
}
interface PageSource {
  /** Attributes of the script tag beside `src` and `data-site`. */
  attributes?: string;
  /** What stands before the script tag. */
  head?: string;
  body?: string;
  /** How often the tag stands there. */
  tags?: number;
  headers?: Record<string, string>;
}

export class World {
  received: Received[] = [];
  /** Taken one by one; afterwards every beacon is accepted. */
  answers: Answer[] = [];
  pages: Record<string, PageSource> = {};
  /** Items to ask for, with the first beacon that is accepted. */
  device = "";
  /** Every request that reached the server, by host and path. */
  requests: string[] = [];
  /** If set, the site is the demo shop under this content security policy. */
  shop: string | undefined;

  private constructor(
    private server: Server,
    private browser: Browser,
    readonly port: number,
  ) {}

  static async create(how?: Parameters<typeof launchChromium>[1]): Promise<World> {
    const server = createServer();
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const world = new World(
      server,
      await launchChromium(undefined, how),
      (server.address() as AddressInfo).port,
    );
    server.on("request", (request, response) => {
      const { hostname, pathname } = new URL(`http://${request.headers.host}${request.url}`);
      world.requests.push(hostname + pathname);
      if (hostname !== COLLECTOR) {
        const file = world.shop && shopFile(pathname, { snippet: world.tag() });
        if (file) {
          response
            .writeHead(200, { "Content-Type": file.type, "Content-Security-Policy": world.shop })
            .end(file.body);
          return;
        }
        const { headers, ...page } = world.pages[`${hostname}${pathname}`] ?? world.pages[pathname] ?? {};
        response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", ...headers });
        response.end(hostname === SITE ? world.html(page) : "<!doctype html><title>Elsewhere</title>");
        return;
      }
      if (request.method === "GET") {
        response
          .writeHead(SCRIPTS[pathname] ? 200 : 404, {
            "Content-Type": "text/javascript; charset=utf-8",
            "Access-Control-Allow-Origin": "*",
          })
          .end(SCRIPTS[pathname]);
        return;
      }
      const chunks: Buffer[] = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        const { status = 202, headers = {}, delayMs = 0 } = world.answers.shift() ?? {};
        const beacon = request.method === "POST" ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
        world.received.push({ beacon, headers: request.headers, status, ms: performance.now() });
        const device = status === 202 ? world.device : "";
        if (device) world.device = "";
        setTimeout(() => {
          response.writeHead(status, {
            ...(device ? { "Tamga-Device": device } : {}),
            "Access-Control-Allow-Origin": world.origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "Tamga-Outcome, Tamga-Device, Retry-After",
            "Cache-Control": "no-store",
            "Set-Cookie": "tamga-test=1; HttpOnly; SameSite=Strict; Path=/",
            ...headers,
          });
          response.end();
        }, delayMs);
      });
    });
    return world;
  }

  get origin() {
    return `http://${SITE}:${this.port}`;
  }

  get elsewhere() {
    return `http://${ELSEWHERE}:${this.port}`;
  }

  get scriptUrl() {
    return `http://${COLLECTOR}:${this.port}/tamga.js`;
  }

  private tag = (attributes = "") =>
    `<script defer src="${this.scriptUrl}" data-site="${SITE}" ${attributes}></script>`;

  private html({ attributes, head = "", body = "", tags = 1 }: PageSource) {
    return `<!doctype html><title>Shop</title>${head}${this.tag(attributes).repeat(tags)}<body>${body}</body>`;
  }

  /** A fresh profile without memory of earlier tests. */
  async visitor(
    prepare?: (context: BrowserContext) => Promise<unknown>,
    options?: BrowserContextOptions,
  ): Promise<Page> {
    await Promise.all(this.browser.contexts().map((context) => context.close()));
    this.received = [];
    this.answers = [];
    this.pages = {};
    this.device = "";
    this.requests = [];
    const context = await this.browser.newContext(options);
    await prepare?.(context);
    return context.newPage();
  }

  /** The device parts that came. */
  get devices(): Device[] {
    return this.received.flatMap(({ beacon }) => beacon.device ?? []);
  }

  get events(): BeaconEvent[] {
    return this.received.flatMap(({ beacon }) => beacon.events);
  }

  of<Type extends BeaconEvent["type"]>(type: Type) {
    return this.events.filter((event): event is Extract<BeaconEvent, { type: Type }> => event.type === type);
  }

  /** Waits until it holds, and says what had come if it never does. */
  async until(holds: () => boolean, timeoutMs = 6_000) {
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
  contractErrors = (): string[] => this.received.flatMap(({ beacon }) => validate(beacon));

  async close() {
    await this.browser.close();
    this.server.close();
    this.server.closeAllConnections();
  }
}
