/**
 * A proxy that reports every http request of a browser. It includes requests that continue after their page is closed,
 * which the browser's own tools no longer show.
 *
 * It reaches this machine only; another host gets an empty page. TLS connections pass through unread.
 */
import { createServer, request as send } from "node:http";
import { connect } from "node:net";

/** @param {string} host */
export const isLoopback = (host) => /(^|\.)localhost$|^127\.|^\[::1\]$/.test(host);
/** Names below `localhost` are loopback to browsers, but not to every resolver. @param {string} host */
const address = (host) => (host.endsWith("localhost") ? "127.0.0.1" : host.replace(/[[\]]/g, ""));

/**
 * @typedef {{ method: string, url: string, body: string, status: number, outcome?: string | undefined, error?: string
 * }} Exchange `status` is 0 when no answer came; `error` then says why.
 */

/**
 * @param {(exchange: Exchange) => void} onExchange
 * @returns {Promise<{ url: string, pending: () => number, close: () => void }>}
 */
export async function startProxy(onExchange) {
  let pending = 0;
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://unknown.invalid");
    if (!isLoopback(url.hostname)) {
      response
        .writeHead(200, { "Content-Type": "text/html" })
        .end("<!doctype html><title>Another site</title>");
      return;
    }
    pending++;
    /** @type {Buffer[]} */
    const chunks = [];
    const seen = { method: request.method ?? "", url: url.href, body: "" };
    const onward = send(
      {
        host: address(url.hostname),
        port: url.port || 80,
        method: seen.method,
        path: url.pathname + url.search,
        headers: request.headers,
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
        const outcome = answer.headers["tamga-outcome"]?.toString();
        answer.on("end", () => {
          pending--;
          const body = Buffer.concat(chunks).toString();
          onExchange({ ...seen, body, status: answer.statusCode ?? 0, outcome });
        });
      },
    );
    onward.on("error", ({ message }) => {
      pending--;
      onExchange({ ...seen, body: Buffer.concat(chunks).toString(), status: 0, error: message });
      response.destroy();
    });
    request.on("data", (chunk) => chunks.push(chunk));
    request.pipe(onward);
  });
  server.on("connect", (request, socket, head) => {
    const { hostname, port } = new URL(`https://${request.url}`);
    if (!isLoopback(hostname)) {
      socket.destroy();
      return;
    }
    const onward = connect(Number(port || 443), address(hostname), () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy());
  });
  await new Promise((ready) => {
    server.listen(0, "127.0.0.1", () => ready(undefined));
  });
  const listening = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${listening.port}`,
    pending: () => pending,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
