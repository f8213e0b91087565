/**
 * Sends recorded calls to a real collector, byte for byte as browsers and programs sent them, and counts what it says:
 *
 *     node score.mjs PORT FILE…
 *
 * Each call comes from a network of its own in Kazakhstan, by the forwarding header of a trusted proxy. So the evidence
 * of networks (hosting, rate) says nothing here, as where a program uses the connections of people. Prints JSON: for each
 * kind and tool how many runs there are of each level, and how often each reason was named.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";

const [port = "", ...files] = process.argv.slice(2);
const read = (/** @type {string} */ file) => {
  const bytes = readFileSync(file);
  return (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
};
const runs = files.flatMap((file) => read(file).trim().split("\n").map((line) => JSON.parse(line)));

/** What the collector's token says of a call. @param {{ head: string[], body: string }} call @param {number} at */
async function judge({ head, body }, at) {
  const fields = head.flatMap((name, index) => {
    if (index % 2) return [];
    return /^connection$/i.test(name) ? ["Connection: close"] : [`${name}: ${head[index + 1]}`];
  });
  if (!head.some((name, index) => index % 2 === 0 && /^connection$/i.test(name))) fields.push("Connection: close");
  const network = `198.18.${at % 112}.${1 + (Math.floor(at / 112) % 250)}`;
  const socket = connect(Number(port), "127.0.0.1");
  socket.end(`POST /v1/verdict HTTP/1.1\r\n${fields.join("\r\n")}\r\nX-Forwarded-For: ${network}\r\n\r\n${body}`);
  const answer = await text(socket);
  const token = /^HTTP\/1.1 200 [\s\S]*\r\n\r\n[\w-]+\.([\w-]+)\.[\w-]+$/.exec(answer)?.[1];
  if (!token) throw new Error(`no token: ${answer.split("\r\n", 1)[0]}`);
  const { level, reasons } = JSON.parse(Buffer.from(token, "base64url").toString());
  return { level, reasons };
}

/** @type {Map<string, { kind: string, group: string, runs: number, silent: number, levels: Record<string, number>, reasons: Record<string, number> }>} */
const groups = new Map();
let at = 0;
for (const { kind, tool, traits, call } of runs) {
  const group = tool ?? (kind === "developer" ? `${traits.browser} with developer tools` : traits.browser);
  const key = `${kind} ${group}`;
  const counted = groups.get(key) ?? { kind, group, runs: 0, silent: 0, levels: {}, reasons: {} };
  groups.set(key, counted);
  counted.runs++;
  if (!call) {
    counted.silent++;
    continue;
  }
  const { level, reasons } = await judge(call, at++);
  counted.levels[level] = (counted.levels[level] ?? 0) + 1;
  for (const reason of reasons) counted.reasons[reason] = (counted.reasons[reason] ?? 0) + 1;
}
console.log(JSON.stringify([...groups.values()]));
